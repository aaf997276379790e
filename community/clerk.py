"""What the clerk says: the words of institutional posts, in the languages that pages are offered in.

A debate names its languages; the clerk writes in the first of them, in English where it does not speak that one.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime, format_time

LANGUAGES = ("en", "fr", "es")
# The sides in the order in which polls offer them.
SIDES = ("for", "undecided", "against")

_WORDS: dict[str, dict[str, str]] = {
    "en": {
        "for": "In favour",
        "undecided": "Undecided",
        "against": "Against",
        "motion": "{text}\n\n**When:** {when}\n\n{call}To follow this debate alone, follow {handle}. You can take part "
        "from the server you use: answer the posts below, no account here is needed.",
        "call-follows": "The call for questions to the panel opens on {when}.\n\n",
        "call": "**Questions to the panel?** Answer this post with yours, from wherever you are. Ask one question in "
        "each answer. The host picks from them; each that is picked is posted once more, and favourites of that post "
        "decide what is asked first.\n\nThe debate: {when}.",
        "stub-question": "**Questions to the panel:** answer this post with yours, one question in each answer.",
        "stub-for": "**In favour** of “{motion}”: answer this post with what speaks for it.",
        "stub-against": "**Against** “{motion}”: answer this post with what speaks against it.",
        "reminder": "The debate begins on {when}. Questions to the panel are still open.",
        "live": "**The debate is live** until {until}. What host and panel write comes here as they write it, and "
        "so do the questions; to argue yourself, answer *In favour* or *Against*.",
        "opening-poll": "Before the debate: where do you stand? “{motion}”",
        "closing-poll": "Now that you have heard both sides: where do you stand? “{motion}”",
        "card": "**Q{number}** · asked by {asker}:\n\n{text}\n\nFavourite this post to have it asked sooner.",
        "card-plain": "**Q{number}:**\n\n{text}\n\nFavourite this post to have it asked sooner.",
        "answered": "{asker} your question Q{number} was answered by {by}: {link}",
        "answered-plain": "{asker} your question was answered by {by}: {link}",
        "declined": "{asker} your question was not taken to the panel: {reason}",
        "merged": "{asker} your question was merged with Q{number}, which asks the same: {link}",
        "merged-plain": "{asker} your question was merged with another one that asks the same: {link}",
        "closed": "**The debate is over.** {result}\n\nThank you to everybody who took part. The conclusion follows.",
        "result-here": "Members here: {opening}{closing}.",
        "result-elsewhere": "Other servers: {opening}{closing}.",
        "result-both": "Of {voters} people who voted both times, {changed} changed sides.",
        "result-none": "Nobody voted.",
        "result-side": "{side} {before} → {after} %",
        "result-side-once": "{side} {after} %",
        "result-votes": " ({before} and {after} votes)",
        "result-votes-once": " ({after} votes)",
        "concluded": "**Conclusion of the host.**\n\n{text}",
        "cancelled": "**This debate was cancelled.** {reason}",
        "moved": "**This debate has a new date:** {when}. {reason}",
        "seat-panel": "{name} would like to have you on the **panel** of the debate “{motion}”, {when}.",
        "seat-host": "{name} would like you to **host** the debate “{motion}”, {when}.",
        "seat-how": "To say yes, favourite this post. To say yes or no, and to see what it is about: {link}",
        "place": "On the fediverse, as {handle}, and at {origin}",
        "event": "A debate on {name}: {when}. Ask and argue from the server you use; the page: {link}",
        "digest-title": "Digest: {motion}",
        "digest-summary": "The debate of {date}: “{motion}”. {result} "
        "With the strongest arguments of both sides and what stays open.",
        "digest-voices": "{posts} contributions by {people} people from {servers} servers.",
        "digest-question-answered": "{question} ({asker}) · [answered by {by}]({link})",
        "digest-question-open": "{question} ({asker}) · [the question]({link})",
        "digest-result": "## The result",
        "digest-for": "## Strongest in favour",
        "digest-against": "## Strongest against",
        "digest-open": "## Questions without an answer",
        "digest-answered": "## Questions with an answer",
        "digest-conclusion": "## Conclusion",
        "digest-next": "## Next step",
        "digest-next-text": "Everything that was said: {link}",
        "digest-none": "Nothing.",
        "series-text": "The motion and the panel are made known here before questions are called for.",
        "agenda-about": "The agenda of an event: {place}, {when}. Follow it to hear of every item that is proposed.",
        "item": "{summary}\n\n{state}\n\n**Favourite this post to support it.** What people said that is behind it, "
        "and where they said it: {link}",
        "item-proposed": "*Proposed by {by} for the agenda of {event}.*",
        "item-shortlisted": "*On the shortlist for {event}.*",
        "item-scheduled": "*On the agenda of {event}: {when}{room}.*",
        "item-declined": "*Not on the agenda of {event}: {reason}*",
        "item-merged": "*Merged with “{other}”, item {number} of the agenda of {event}: {link}*",
        "item-room": ", {room}",
        "item-of-debate": "Proposed by the conclusion of the debate of {date}: {motion}",
        "agenda-title": "The agenda of {event}",
        "agenda-abstract": "{when}. Proposed: {proposed} · shortlisted: {shortlisted} · scheduled: {scheduled}",
        "agenda-is-open": "Everybody can support items, from the server they use. Members here propose them.",
        "agenda-is-closed": "No more is proposed. Favourites still count as support.",
        "agenda-is-over": "The event is over.",
        "agenda-zone": "*Times are those at the place ({zone}).*",
        "agenda-scheduled": "## Scheduled",
        "agenda-shortlisted": "## On the shortlist",
        "agenda-proposed": "## Proposals with the most support",
        "agenda-support": "support: {support}",
        "agenda-behind": "contributions behind it: {posts} (people: {people}, servers: {servers})",
        "agenda-behind-unnamed": "contributions behind it: {posts}",
        "agenda-more": "*And {count} more: {link}*",
        "agenda-how": "## How to propose and support",
        "agenda-how-text": "To support an item, favourite its post, from wherever you are; what you answer there is "
        "read with it. To propose one, choose “Put on the agenda” below what somebody said, here: {link}\n\nWho "
        "follows {handle} hears of every item.",
        "cited": "{what} of {date} is cited in item {number} of the agenda of {event}, “{title}”: {link}",
        "cited-topic": "Your topic",
        "cited-post": "Your reply",
        "cited-argument": "Your argument",
        "cited-question": "Your question",
        "cited-poll": "Your poll",
        "cited-debate": "Your debate",
        "cited-article": "Your article",
        "cited-more": "And so is more of what you wrote: {n} contributions besides.",
        "cited-how": "To have your name taken off, or to get no more of these messages (there is one a day at most): "
        "{link}",
    },
    "fr": {
        "for": "Pour",
        "undecided": "Sans avis",
        "against": "Contre",
        "motion": "{text}\n\n**Quand :** {when}\n\n{call}Pour suivre ce seul débat, suivez {handle}. Vous pouvez "
        "participer depuis le serveur que vous utilisez : répondez aux messages ci-dessous, sans compte ici.",
        "call-follows": "L'appel à questions pour le panel commence le {when}.\n\n",
        "call": "**Des questions au panel ?** Répondez à ce message avec la vôtre, d'où que vous soyez, une seule par "
        "réponse. L'hôte en choisit ; chacune est alors publiée de nouveau, et les favoris de cette publication "
        "décident de l'ordre.\n\nLe débat : {when}.",
        "stub-question": "**Questions au panel :** répondez à ce message avec la vôtre, une seule par réponse.",
        "stub-for": "**Pour** « {motion} » : répondez à ce message avec ce qui parle pour.",
        "stub-against": "**Contre** « {motion} » : répondez à ce message avec ce qui parle contre.",
        "reminder": "Le débat commence le {when}. Les questions au panel restent ouvertes.",
        "live": "**Le débat est en direct** jusqu'à {until}. L'hôte, le panel et les questions arrivent au fil de "
        "l'heure ; pour argumenter, répondez à *Pour* ou à *Contre*.",
        "opening-poll": "Avant le débat : où vous situez-vous ? « {motion} »",
        "closing-poll": "Après avoir entendu les deux camps : où vous situez-vous ? « {motion} »",
        "card": "**Q{number}** · posée par {asker} :\n\n{text}\n\nMettez ce message en favori pour qu'elle vienne plus "
        "tôt.",
        "card-plain": "**Q{number} :**\n\n{text}\n\nMettez ce message en favori pour qu'elle vienne plus tôt.",
        "answered": "{asker} {by} a répondu à votre question Q{number} : {link}",
        "answered-plain": "{asker} {by} a répondu à votre question : {link}",
        "declined": "{asker} votre question n'a pas été posée au panel : {reason}",
        "merged": "{asker} votre question a été jointe à Q{number}, qui demande la même chose : {link}",
        "merged-plain": "{asker} votre question a été jointe à une autre, qui demande la même chose : {link}",
        "closed": "**Le débat est terminé.** {result}\n\nMerci à tous. La conclusion suit.",
        "result-here": "Membres d'ici : {opening}{closing}.",
        "result-elsewhere": "Autres serveurs : {opening}{closing}.",
        "result-both": "Sur {voters} personnes qui ont voté deux fois, {changed} ont changé de camp.",
        "result-none": "Personne n'a voté.",
        "result-side": "{side} {before} → {after} %",
        "result-side-once": "{side} {after} %",
        "result-votes": " ({before} et {after} voix)",
        "result-votes-once": " ({after} voix)",
        "concluded": "**Conclusion de l'hôte.**\n\n{text}",
        "cancelled": "**Ce débat est annulé.** {reason}",
        "moved": "**Ce débat a une nouvelle date :** {when}. {reason}",
        "seat-panel": "{name} aimerait vous avoir au **panel** du débat « {motion} », {when}.",
        "seat-host": "{name} aimerait que vous **animiez** le débat « {motion} », {when}.",
        "seat-how": "Pour accepter, mettez ce message en favori. Pour accepter ou refuser, et tout savoir : {link}",
        "place": "Dans le fédivers, sous {handle}, et sur {origin}",
        "event": "Un débat sur {name} : {when}. Posez vos questions et argumentez depuis votre serveur ; la page : "
        "{link}",
        "digest-title": "Synthèse : {motion}",
        "digest-summary": "Le débat du {date} : « {motion} ». {result} "
        "Avec les arguments les plus forts des deux camps et ce qui reste ouvert.",
        "digest-voices": "{posts} contributions de {people} personnes depuis {servers} serveurs.",
        "digest-question-answered": "{question} ({asker}) · [réponse de {by}]({link})",
        "digest-question-open": "{question} ({asker}) · [la question]({link})",
        "digest-result": "## Le résultat",
        "digest-for": "## Les arguments les plus forts pour",
        "digest-against": "## Les arguments les plus forts contre",
        "digest-open": "## Questions restées sans réponse",
        "digest-answered": "## Questions et réponses",
        "digest-conclusion": "## Conclusion",
        "digest-next": "## La suite",
        "digest-next-text": "Tout ce qui a été dit : {link}",
        "digest-none": "Rien.",
        "series-text": "La motion et le panel sont annoncés ici avant l'appel à questions.",
        "agenda-about": "L'ordre du jour d'un événement : {place}, {when}. Suivez-le pour apprendre chaque point "
        "proposé.",
        "item": "{summary}\n\n{state}\n\n**Mettez ce message en favori pour le soutenir.** Ce qui s'est dit à son "
        "origine, et où : {link}",
        "item-proposed": "*Proposé par {by} pour l'ordre du jour de {event}.*",
        "item-shortlisted": "*Présélectionné pour {event}.*",
        "item-scheduled": "*À l'ordre du jour de {event} : {when}{room}.*",
        "item-declined": "*Pas à l'ordre du jour de {event} : {reason}*",
        "item-merged": "*Joint à « {other} », point {number} de l'ordre du jour de {event} : {link}*",
        "item-room": ", {room}",
        "item-of-debate": "Proposé par la conclusion du débat du {date} : {motion}",
        "agenda-title": "L'ordre du jour de {event}",
        "agenda-abstract": "{when}. "
        "Proposés : {proposed} · présélectionnés : {shortlisted} · au programme : {scheduled}",
        "agenda-is-open": "Tout le monde peut soutenir un point, depuis son propre serveur ; les membres d'ici en "
        "proposent d'autres.",
        "agenda-is-closed": "Rien de plus n'est proposé. Les favoris comptent toujours comme soutien.",
        "agenda-is-over": "L'événement est terminé.",
        "agenda-zone": "*Les heures sont celles du lieu ({zone}).*",
        "agenda-scheduled": "## Au programme",
        "agenda-shortlisted": "## Présélectionnés",
        "agenda-proposed": "## Les propositions les plus soutenues",
        "agenda-support": "soutien : {support}",
        "agenda-behind": "contributions à l'origine : {posts} (personnes : {people}, serveurs : {servers})",
        "agenda-behind-unnamed": "contributions à l'origine : {posts}",
        "agenda-more": "*Et {count} de plus : {link}*",
        "agenda-how": "## Proposer et soutenir",
        "agenda-how-text": "Pour soutenir un point, mettez son message en favori, d'où que vous soyez ; ce que vous y "
        "répondez est lu avec lui. Pour en proposer un, choisissez « Mettre à l'ordre du jour » sous ce que quelqu'un "
        "a dit, ici : {link}\n\nQui suit {handle} apprend chaque point proposé.",
        "cited": "Au point {number} de l'ordre du jour de {event}, « {title} », on cite {what} du {date} : {link}",
        "cited-topic": "votre sujet",
        "cited-post": "votre réponse",
        "cited-argument": "votre argument",
        "cited-question": "votre question",
        "cited-poll": "votre sondage",
        "cited-debate": "votre débat",
        "cited-article": "votre article",
        "cited-more": "Et d'autres de vos contributions, au nombre de {n}.",
        "cited-how": "Pour que votre nom soit retiré, ou pour ne plus recevoir ces messages (un par jour au plus) : "
        "{link}",
    },
    "es": {
        "for": "A favor",
        "undecided": "Sin decidir",
        "against": "En contra",
        "motion": "{text}\n\n**Cuándo:** {when}\n\n{call}Para seguir solo este debate, siga a {handle}. Puede "
        "participar desde el servidor que usa: responda a los mensajes de abajo, sin cuenta aquí.",
        "call-follows": "Las preguntas al panel se piden a partir del {when}.\n\n",
        "call": "**¿Preguntas al panel?** Responda a este mensaje con la suya, desde donde esté, una sola en cada "
        "respuesta. Quien modera elige entre ellas; cada una se publica de nuevo, y los favoritos de esa publicación "
        "deciden el orden.\n\nEl debate: {when}.",
        "stub-question": "**Preguntas al panel:** responda a este mensaje con la suya, una sola en cada respuesta.",
        "stub-for": "**A favor** de «{motion}»: responda a este mensaje con lo que habla a favor.",
        "stub-against": "**En contra** de «{motion}»: responda a este mensaje con lo que habla en contra.",
        "reminder": "El debate empieza el {when}. Las preguntas al panel siguen abiertas.",
        "live": "**El debate está en directo** hasta las {until}. Moderación, panel y preguntas llegan según hablan; "
        "para argumentar, responda a *A favor* o a *En contra*.",
        "opening-poll": "Antes del debate: ¿qué opina usted? «{motion}»",
        "closing-poll": "Después de oír a las dos partes: ¿qué opina usted? «{motion}»",
        "card": "**Q{number}** · de {asker}:\n\n{text}\n\nMarque este mensaje como favorito para que se pregunte "
        "antes.",
        "card-plain": "**Q{number}:**\n\n{text}\n\nMarque este mensaje como favorito para que se pregunte antes.",
        "answered": "{asker} {by} ha respondido a su pregunta Q{number}: {link}",
        "answered-plain": "{asker} {by} ha respondido a su pregunta: {link}",
        "declined": "{asker} su pregunta no se llevó al panel: {reason}",
        "merged": "{asker} su pregunta se unió a Q{number}, que pregunta lo mismo: {link}",
        "merged-plain": "{asker} su pregunta se unió a otra que pregunta lo mismo: {link}",
        "closed": "**El debate ha terminado.** {result}\n\nGracias a todas las personas que participaron. Sigue la "
        "conclusión.",
        "result-here": "Miembros de aquí: {opening}{closing}.",
        "result-elsewhere": "Otros servidores: {opening}{closing}.",
        "result-both": "De {voters} personas que votaron las dos veces, {changed} cambiaron de lado.",
        "result-none": "Nadie votó.",
        "result-side": "{side} {before} → {after} %",
        "result-side-once": "{side} {after} %",
        "result-votes": " ({before} y {after} votos)",
        "result-votes-once": " ({after} votos)",
        "concluded": "**Conclusión de quien moderó.**\n\n{text}",
        "cancelled": "**Este debate se ha cancelado.** {reason}",
        "moved": "**Este debate tiene nueva fecha:** {when}. {reason}",
        "seat-panel": "{name} quisiera contar con usted en el **panel** del debate «{motion}», {when}.",
        "seat-host": "{name} quisiera que usted **moderara** el debate «{motion}», {when}.",
        "seat-how": "Para aceptar, marque este mensaje como favorito. Para aceptar o no, y para saber más: {link}",
        "place": "En el fediverso, como {handle}, y en {origin}",
        "event": "Un debate sobre {name}: {when}. Pregunte y argumente desde su servidor; la página: {link}",
        "digest-title": "Resumen: {motion}",
        "digest-summary": "El debate del {date}: «{motion}». {result} "
        "Con los argumentos más fuertes de las dos partes y lo que queda abierto.",
        "digest-voices": "{posts} aportaciones de {people} personas desde {servers} servidores.",
        "digest-question-answered": "{question} ({asker}) · [respuesta de {by}]({link})",
        "digest-question-open": "{question} ({asker}) · [la pregunta]({link})",
        "digest-result": "## El resultado",
        "digest-for": "## Lo más fuerte a favor",
        "digest-against": "## Lo más fuerte en contra",
        "digest-open": "## Preguntas sin respuesta",
        "digest-answered": "## Preguntas con respuesta",
        "digest-conclusion": "## Conclusión",
        "digest-next": "## Siguiente paso",
        "digest-next-text": "Todo lo que se dijo: {link}",
        "digest-none": "Nada.",
        "series-text": "La moción y el panel se dan a conocer aquí antes de pedir preguntas.",
        "agenda-about": "El orden del día de un encuentro: {place}, {when}. Sígalo para saber de cada punto propuesto.",
        "item": "{summary}\n\n{state}\n\n**Marque este mensaje como favorito para apoyarlo.** Lo que se dijo en su "
        "origen, y dónde: {link}",
        "item-proposed": "*Propuesto por {by} para el orden del día de {event}.*",
        "item-shortlisted": "*Preseleccionado para {event}.*",
        "item-scheduled": "*En el orden del día de {event}: {when}{room}.*",
        "item-declined": "*Fuera del orden del día de {event}: {reason}*",
        "item-merged": "*Unido a «{other}», punto {number} del orden del día de {event}: {link}*",
        "item-room": ", {room}",
        "item-of-debate": "Propuesto por la conclusión del debate del {date}: {motion}",
        "agenda-title": "El orden del día de {event}",
        "agenda-abstract": "{when}. "
        "Propuestos: {proposed} · preseleccionados: {shortlisted} · programados: {scheduled}",
        "agenda-is-open": "Cualquiera puede apoyar un punto desde su servidor; los miembros de aquí proponen más.",
        "agenda-is-closed": "No se propone nada más. Los favoritos siguen contando como apoyo.",
        "agenda-is-over": "El encuentro ha terminado.",
        "agenda-zone": "*Las horas son las del lugar ({zone}).*",
        "agenda-scheduled": "## En el programa",
        "agenda-shortlisted": "## Preseleccionados",
        "agenda-proposed": "## Las propuestas con más apoyo",
        "agenda-support": "apoyo: {support}",
        "agenda-behind": "aportaciones en su origen: {posts} (personas: {people}, servidores: {servers})",
        "agenda-behind-unnamed": "aportaciones en su origen: {posts}",
        "agenda-more": "*Y {count} más: {link}*",
        "agenda-how": "## Proponer y apoyar",
        "agenda-how-text": "Para apoyar un punto, marque su mensaje como favorito, desde donde esté; lo que responda "
        "ahí se lee con él. Para proponer uno, elija «Poner en el orden del día» debajo de lo que alguien dijo, aquí: "
        "{link}\n\nQuien sigue a {handle} sabe de cada punto propuesto.",
        "cited": "En el punto {number} del orden del día de {event}, «{title}», se cita {what} del {date}: {link}",
        "cited-topic": "su hilo",
        "cited-post": "su respuesta",
        "cited-argument": "su argumento",
        "cited-question": "su pregunta",
        "cited-poll": "su encuesta",
        "cited-debate": "su debate",
        "cited-article": "su artículo",
        "cited-more": "Y otras aportaciones suyas: {n} más.",
        "cited-how": "Para que se retire su nombre, o para no recibir más mensajes como este (hay uno al día como "
        "mucho): {link}",
    },
}


def says(language: str, key: str, **words: object) -> str:
    """One of the clerk's sentences as Markdown, with its blanks filled."""
    return spoken(language)[key].format(**words)


def spoken(language: str) -> dict[str, str]:
    return _WORDS[language if language in _WORDS else "en"]


def when(at: datetime, zone: str, language: str) -> str:
    """A moment in words: with its day of the week and zone, and in UTC for everybody else."""
    language = _locale(language)
    there = at.astimezone(ZoneInfo(zone))
    words = format_datetime(there, "EEEE d MMMM y, HH:mm", locale=language)
    if there.utcoffset() == at.astimezone(UTC).utcoffset():
        return f"{words} UTC"
    return f"{words} ({zone.replace('_', ' ')}) · {format_time(at.astimezone(UTC), 'HH:mm', locale=language)} UTC"


def day(at: datetime, zone: str, language: str) -> str:
    """A date in words: '18 December 2026'."""
    return format_datetime(at.astimezone(ZoneInfo(zone)), "d MMMM y", locale=_locale(language))


def days(first: date, last: date, language: str) -> str:
    """Days in words: '13 July 2027', '13 – 15 July 2027'."""
    language = _locale(language)
    if first == last:
        return format_date(first, "d MMMM y", locale=language)
    form = "d MMMM y" if first.year != last.year else "d MMMM" if first.month != last.month else "d"
    return f"{format_date(first, form, locale=language)} – {format_date(last, 'd MMMM y', locale=language)}"


def month(at: datetime, zone: str, language: str) -> str:
    """'December 2026'."""
    return format_datetime(at.astimezone(ZoneInfo(zone)), "LLLL y", locale=_locale(language))


def hour(at: datetime, zone: str, language: str) -> str:
    """'15:00 (Europe/Paris)'."""
    words = format_time(at.astimezone(ZoneInfo(zone)), "HH:mm", locale=_locale(language))
    return f"{words} ({zone.replace('_', ' ')})"


def _locale(language: str) -> str:
    return {"en": "en_GB"}.get(language, language) if language in LANGUAGES else "en_GB"
