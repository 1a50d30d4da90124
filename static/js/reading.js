// The reading page, with script: the next case is loaded ahead, an answer is sent while the reader goes on, and a
// failed one is sent again under the same id. Without this file the page is a plain form.

import { Refused, SignedOut, fetchStanding, newSubmission, sendAnswer } from "./reading-api.js";
import { listenToKeys } from "./reading-keys.js";
import { createSender } from "./reading-outbox.js";
import { bindPage } from "./reading-page.js";
import { createPictures } from "./reading-pictures.js";
import { adopt, answer, begin, delivered, isOver } from "./reading-state.js";
import { createViewer } from "./reading-viewer.js";

const BETWEEN_ANSWERS = 500; // milliseconds: a double click or press must not answer the next case
const PICTURE_AGAIN = 3_000;

const root = document.querySelector("[data-reading]");
if (root) start(root);

function start(root) {
  const { api, page: address, done, signIn } = root.dataset;
  const page = bindPage(root);
  const pictures = createPictures();
  let state = begin(JSON.parse(root.dataset.state));
  let viewers = [];
  let active = null; // the viewer that keys and buttons move
  let onScreen = null; // the item whose pictures are shown, or being loaded to be shown
  let shownAt = null; // when they were painted; null: the question cannot be answered yet
  let answeredAt = -Infinity;
  let trouble = null; // why answers wait
  let note = null; // what became of an answer
  let noPicture = false;

  // --- render ---------------------------------------------------------------------------------------------------

  function tell() {
    const { texts } = page;
    const notes = [];
    if (trouble && state.outbox.length > 0) {
      const link = trouble instanceof SignedOut ? { href: signIn, text: texts.signIn } : null;
      const why = trouble instanceof SignedOut ? texts.signedOut : trouble instanceof Refused ? texts.absent : texts.unsent;
      const text = `${page.waitingText(state.outbox.length)} ${why}`;
      notes.push({ text, bad: true, link, action: { text: texts.sendNow, run: sender.run } });
    }
    if (noPicture) notes.push({ text: texts.noPicture, bad: true, action: { text: texts.tryNow, run: refresh } });
    if (note) notes.push({ text: note });
    page.tell(notes);
  }

  function render() {
    tell();
    if (isOver(state)) return void location.replace(done);
    if (!state.current) {
      onScreen = null;
      hold();
      page.loading(true, page.texts.sending);
    } else if (state.current.item !== onScreen) {
      void show(state.current);
    } else if (shownAt) {
      ahead();
    }
  }

  function hold() {
    shownAt = null;
    page.ready(false);
    for (const viewer of viewers) viewer.clear();
  }

  async function show(shown) {
    onScreen = shown.item;
    pictures.keepOnly([state.current, state.next]);
    if (viewers.length > 0) hold();
    page.ready(false);
    page.place(shown, state.total, shown.position - 1);
    page.loading(true);
    const images = await pictures.load(shown).catch(() => null);
    if (onScreen !== shown.item) return;
    if (!images) return pictureFailed();
    lay(images, shown);
    noPicture = false;
    page.loading(false);
    await painted();
    if (onScreen !== shown.item) return;
    shownAt = new Date().toISOString();
    setTimeout(() => onScreen === shown.item && page.ready(true), BETWEEN_ANSWERS - (performance.now() - answeredAt));
    tell();
    ahead();
  }

  function lay(images, shown) {
    const frames = page.frames();
    while (frames.length < images.length) {
      frames.push(frames[0].cloneNode(false));
      frames[0].after(frames[frames.length - 1]);
    }
    for (const frame of frames.splice(images.length)) frame.remove();
    if (viewers.length !== images.length || viewers.some((viewer, index) => viewer.frame !== frames[index])) {
      viewers = frames.map((frame) => createViewer(frame, (scale) => page.scale(scale)));
      viewers.forEach((viewer) => viewer.frame.addEventListener("pointerdown", () => (active = viewer)));
      active = viewers[0];
    }
    page.tools.hidden = false;
    images.forEach((image, index) => {
      page.describe(image, shown);
      viewers[index].show(image);
    });
  }

  function ahead() {
    if (state.next) pictures.load(state.next).catch(() => {}); // asked for again when it is needed
  }

  function pictureFailed() {
    noPicture = true;
    const item = onScreen;
    onScreen = null;
    page.loading(false);
    tell();
    // Perhaps the case is no longer ours to see: answered elsewhere, or the study closed.
    setTimeout(() => onScreen === null && state.current?.item === item && refresh(), PICTURE_AGAIN);
  }

  // --- the server -----------------------------------------------------------------------------------------------

  const sender = createSender({
    first: () => state.outbox[0],
    post: (made) => sendAnswer(api, made),
    onReply(made, reply) {
      trouble = null;
      state = adopt(delivered(state, made.submission), reply);
      if (reply.outcome === "already-answered") note = page.texts.already;
      render();
    },
    async onRefusal(made, refusal) {
      if (refusal.code === "absent") throw refusal; // another account is signed in: keep it
      trouble = null;
      state = delivered(state, made.submission);
      if (refusal.code === "closed" || refusal.code === "withdrawn") return leave();
      note = `${page.texts.refused} ${refusal.message}`;
      await refresh();
    },
    onTrouble(error) {
      trouble = error;
      tell();
    },
  });

  function leave() {
    state = { ...state, outbox: [] };
    location.replace(address); // the server says what there is to say
  }

  async function refresh() {
    try {
      state = adopt(state, await fetchStanding(api));
    } catch (error) {
      if (error instanceof Refused && error.code === "closed" && state.outbox.length === 0) return leave();
      // Otherwise we go on with what we know.
    }
    render();
  }

  // --- events ---------------------------------------------------------------------------------------------------

  page.form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!root.hasAttribute("data-ready") || !shownAt || !state.current) return;
    const answers = answersOf(page.form, event.submitter);
    if (!answers) return;
    answeredAt = performance.now();
    note = null;
    const made = { submission: newSubmission(), answers, shownAt, answeredAt: new Date().toISOString() };
    state = answer(state, made);
    page.form.reset();
    page.forget();
    void sender.run();
    render();
  });

  listenToKeys({
    answer(key) {
      const element = keyed(page.form, key);
      if (!root.hasAttribute("data-ready") || !element) return;
      if (element.type === "radio") element.checked = true;
      else page.form.requestSubmit(element);
    },
    step: (right, down) => active?.step(right, down),
    larger: () => active?.larger(),
    smaller: () => active?.smaller(),
    fit: () => active?.fit(),
  });

  page.tools.addEventListener("click", (event) => {
    const { zoom, pan } = event.target.closest("button")?.dataset ?? {};
    const [right, down] = { left: [-1, 0], right: [1, 0], up: [0, -1], down: [0, 1] }[pan] ?? [0, 0];
    if (pan) active?.step(right, down);
    if (zoom) ({ in: active?.larger, out: active?.smaller, toggle: active?.toggle })[zoom]?.();
  });

  window.addEventListener("online", sender.run);
  window.addEventListener("pageshow", (event) => event.persisted && refresh());
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "visible") return;
    void sender.run();
    void refresh();
  });
  window.addEventListener("beforeunload", (event) => {
    if (state.outbox.length > 0) event.preventDefault();
  });

  // The case that the page came with: its pictures are in the document already.
  const images = [...root.querySelectorAll("[data-frame] img")];
  if (images.length > 0) pictures.take(state.current.item, images);
  render();
}

// {question: {choice}} of a form, with the button that sends it; null while a question is unanswered.
function answersOf(form, submitter) {
  const data = new FormData(form);
  if (submitter?.name) data.set(submitter.name, submitter.value);
  const answers = {};
  for (const [name, value] of data) {
    const question = /^question-(\d+)$/.exec(name)?.[1];
    if (question) answers[question] = { choice: Number(value) };
  }
  return Object.keys(answers).length > 0 ? answers : null;
}

// What key `n` stands for: a button, or a radio of the first question that is not answered yet.
function keyed(form, n) {
  for (const question of form.querySelectorAll(".question")) {
    if (question.querySelector("input:checked")) continue;
    return question.querySelector(`[data-key="${n}"]`);
  }
  return null;
}

function painted() {
  return new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
}
