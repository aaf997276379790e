// Comforts of the pages for joining and signing in; each works without.

for (const box of document.querySelectorAll("[data-secret]")) {
  const input = box.querySelector("input");
  const button = box.querySelector("button");
  input.after(button);
  button.hidden = false;
  button.addEventListener("click", () => {
    const isShown = input.type === "password";
    input.type = isShown ? "text" : "password";
    button.setAttribute("aria-pressed", String(isShown));
  });
  // A password manager and the browser's memory know the field by its type.
  input.form.addEventListener("submit", () => { input.type = "password"; });
}

for (const box of document.querySelectorAll("[data-handle]")) {
  const input = box.querySelector("input");
  const line = box.querySelector("[data-handle-shown]");
  const shown = line.querySelector("output");
  const show = () => {
    const name = input.value.trim().replace(/^@/, "").toLowerCase();
    line.hidden = !/^[a-z0-9_]{2,20}$/.test(name);
    shown.textContent = `@${name}@${box.dataset.handle}`;
  };
  input.addEventListener("input", show);
  // A name that was just refused is nobody's address.
  if (input.getAttribute("aria-invalid") !== "true") show();
}
