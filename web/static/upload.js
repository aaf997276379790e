// A picture on its way to the server. `progress` is called with percents, or with null once it is being drawn, which
// takes nobody knows how long. `done` answers its status (0: it did not arrive) and what was answered.

import { token } from "./moot.js";

export function upload(file, name, progress) {
  const request = new XMLHttpRequest();
  const done = new Promise((resolve) => {
    request.addEventListener("load", () => resolve({ status: request.status, answer: read(request) }));
    request.addEventListener("error", () => resolve({ status: 0, answer: null }));
  });
  request.upload.addEventListener("progress", ({ lengthComputable, loaded, total }) =>
    progress(lengthComputable && loaded < total ? (loaded / total) * 100 : null),
  );
  const body = new FormData();
  body.append("picture", file, name);
  request.open("POST", "/media");
  request.setRequestHeader("X-Csrf-Token", token());
  request.setRequestHeader("X-Requested-With", "fetch");
  request.send(body);
  return { request, done };
}

function read(request) {
  try {
    return JSON.parse(request.responseText);
  } catch {
    return null;
  }
}
