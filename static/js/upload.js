// [data-upload]: a form that sends large files shows how much is sent, and says beforehand what is too large.

function say(form, words, isError) {
  const box = form.querySelector("[data-upload-progress]");
  box.hidden = false;
  box.querySelector("progress").hidden = isError;
  const line = box.querySelector("[data-upload-words]");
  line.textContent = words;
  line.className = isError ? "error" : "help";
}

function tooLarge(form) {
  for (const input of form.querySelectorAll("input[data-max-bytes]")) {
    const file = input.files[0];
    if (file && file.size > Number(input.dataset.maxBytes)) return file;
  }
  return null;
}

function show(form, request) {
  const page = new DOMParser().parseFromString(request.responseText, "text/html");
  const main = page.querySelector("#main");
  if (!main) {
    say(form, form.dataset.failed, true);
    return;
  }
  document.querySelector("#main").replaceWith(main);
  attach(main);
  window.scrollTo(0, 0);
}

function send(form) {
  const button = form.querySelector("[type=submit]");
  const bar = form.querySelector("progress");
  const megabytes = (n) => (n / 2 ** 20).toFixed(n < 10 * 2 ** 20 ? 1 : 0);
  const request = new XMLHttpRequest();
  request.open("POST", form.action);
  request.upload.addEventListener("progress", (event) => {
    bar.value = event.loaded / event.total;
    const words = `${megabytes(event.loaded)} / ${megabytes(event.total)} MB`;
    say(form, event.loaded < event.total ? words : form.dataset.sent, false);
  });
  request.addEventListener("load", () => {
    const isElsewhere = request.responseURL && new URL(request.responseURL).pathname !== location.pathname;
    if (request.status < 400 && isElsewhere) location.assign(request.responseURL);
    else show(form, request);
  });
  request.addEventListener("error", () => {
    button.disabled = false;
    say(form, form.dataset.failed, true);
  });
  button.disabled = true;
  request.send(new FormData(form));
}

function attach(root) {
  for (const form of root.querySelectorAll("form[data-upload]")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const file = tooLarge(form);
      if (file) say(form, `${file.name}: ${form.dataset.tooLarge}`, true);
      else send(form);
    });
  }
}

attach(document);
