// The reading page, with script: the next case is loaded ahead, an answer is stored in this browser and sent while the
// reader goes on, and sent again under the same id until the server has it. Without this file the page is a plain form.

import { createAdvice } from "./reading-advice.js";
import { Refused, SignedOut, ask, newSubmission, send } from "./reading-api.js";
import { createLimit, createWatch } from "./reading-clock.js";
import { createForm } from "./reading-form.js";
import { createFrames } from "./reading-frames.js";
import { createHelp } from "./reading-help.js";
import { listenToKeys } from "./reading-keys.js";
import { createSender } from "./reading-outbox.js";
import { bindPage } from "./reading-page.js";
import { createPictures } from "./reading-pictures.js";
import { prepare } from "./reading-search.js";
import * as states from "./reading-state.js";
import { openOutbox } from "./reading-store.js";

const BETWEEN_ANSWERS = 500; // milliseconds: a double click or press must not answer the next case
const PICTURE_AGAIN = 3_000;
const MOST_SECONDS = 3_600; // that are asked for at once

const root = document.querySelector("[data-reading]");
if (root) void start(root);

async function start(root) {
  const { api, events, diagnoses, page: address, done, signIn } = root.dataset;
  const page = bindPage(root);
  const { texts } = page;
  const outbox = await openOutbox();
  const pictures = createPictures();
  const watch = createWatch();
  const advice = createAdvice(page.find("advice"), texts);
  const taken = new Set(); // the cases before which a break was suggested and answered
  const lists = new Map(); // question id -> promise of its diagnoses
  const own = (entry) => entry.reading === api;
  let state = await first();
  let onScreen = null; // what is shown, or being loaded to be shown: `keyOf` a subject
  let pictured = null; // the case whose pictures are in the frames
  let laid = false; // whether the frames hold them as viewers do
  let isPainted = false; // only then can the question be answered
  let answeredAt = -Infinity;
  let trouble = null; // why answers wait
  let note = null; // what became of an answer
  let noPicture = false;

  const stageOf = (shown) => state.stages.find((stage) => stage.stage === shown.stage);
  const sources = (shown) => shown?.pictures.map((one) => one.src).join(" ");

  async function first() {
    const waiting = (await outbox.all()).filter((entry) => own(entry) && entry.made).map((entry) => entry.made);
    const again = JSON.parse(root.dataset.again);
    const begun = states.begin(JSON.parse(root.dataset.state), { outbox: waiting, again });
    return { ...begun, dismissed: sessionStorage.getItem(`${api}dismissed`) };
  }

  const help = createHelp(page.find("help"), {
    onChange(keys) {
      page.keys(keys);
      report("keys-changed", keys);
    },
  });
  const form = createForm(page.form, { templates: page.template, texts, diagnoses: listOf });
  const frames = createFrames({
    light: page.find("light"),
    tools: page.find("tools"),
    picker: page.find("picker"),
    mayZoom: state.conduct.zoom,
    name: page.name,
    onScale: page.scale,
    onZoom: watch.zoomed,
  });
  const limit = createLimit(`${api}limit`, {
    onTick: ({ left, warns }) => page.clock(left, { warns, mayAsk: warns && state.conduct.time_limit === "hard" }),
    onUp: () => state.conduct.time_limit === "hard" && give(null, { late: true }),
  });

  function listOf(question) {
    if (!lists.has(question.id)) {
      const list = ask(`${diagnoses}?question=${question.id}`).then((reply) => prepare(reply.diagnoses));
      lists.set(question.id, list);
      list.catch(() => lists.delete(question.id));
    }
    return lists.get(question.id);
  }

  // --- render ---------------------------------------------------------------------------------------------------

  function tell() {
    const notes = [];
    if (trouble && state.outbox.length > 0) {
      const link = trouble instanceof SignedOut ? { href: signIn, text: texts.signIn } : null;
      const why = trouble instanceof SignedOut ? texts.signedOut : trouble instanceof Refused ? texts.absent : texts.unsent;
      const text = `${page.waitingText(state.outbox.length)} ${why}`;
      notes.push({ text, bad: true, link, action: { text: texts.sendNow, run: sender.run } });
    }
    if (!outbox.durable) notes.push({ text: texts.inMemory });
    if (noPicture) notes.push({ text: texts.noPicture, bad: true, action: { text: texts.tryNow, run: refresh } });
    if (note) notes.push({ text: note });
    page.tell(notes);
  }

  // What belongs on the screen: {view, shown}, with `told` of a practice case; null: nothing until the server speaks.
  function subject() {
    if (state.again) return { view: "question", shown: state.again };
    const told = states.feedbackDue(state);
    if (told) return { view: "feedback", shown: { ...told, stage: 0 }, told };
    if (!state.current) return null;
    return { view: states.breakDue(state, state.current, taken) ? "break" : "question", shown: state.current };
  }
  const keyOf = ({ view, shown }) => [view, shown.item, shown.stage, shown === state.again].join(" ");

  function render() {
    tell();
    page.undo(states.changeableBefore(state));
    const way = states.wayOut(state);
    if (way) return void location.replace(way === "done" ? done : address);
    const next = subject();
    const key = next && keyOf(next);
    if (key === onScreen) return void (next ? isPainted && ahead() : page.loading(true, texts.sending));
    onScreen = key;
    rest();
    if (!next) return wait();
    void show(next);
  }

  // No question is open.
  function rest() {
    isPainted = false;
    page.ready(false);
    watch.stop();
    limit.stop();
    page.clock(null);
  }

  // For the server: what comes next is not known here. The pictures stay if it will be of the same case.
  function wait() {
    const last = state.outbox.at(-1);
    if (!last || (last.is_last && !last.is_practice)) clear();
    page.loading(true, texts.sending);
  }

  function clear() {
    frames.clear();
    pictured = null;
  }

  function show(next) {
    if (next.view === "question") return showCase(next.shown);
    page.loading(false);
    if (next.view === "feedback") void showFeedback(next.told);
    else clear();
    if (next.view === "break") page.place(next.shown, state.total, next.shown.position - 1);
    if (page.view(next.view)) page.find(next.view === "break" ? "break-go" : "feedback-go").focus();
    ahead();
  }

  async function showCase(shown) {
    const key = onScreen;
    page.place(shown, state.total, state.again ? state.answered : shown.position - 1);
    page.facts(shown);
    page.find("leave-it").hidden = !state.again;
    form.bring(stageOf(shown), shown.given);
    form.name(state.again ? texts.change : shown.is_last ? texts.nextCase : texts.goOn);
    page.keys(help.keys());
    if (page.view("question")) form.focusFirst();
    pictures.keepOnly([shown, state.current, state.next]);
    page.loading(true);
    const [images, isAdvised] = await Promise.all([lay(shown, key), advice.show(shown)]);
    if (onScreen !== key || !isAdvised) return;
    if (!images) return pictureFailed(key);
    noPicture = false;
    page.loading(false);
    await painted();
    if (onScreen !== key) return;
    isPainted = true;
    watch.start();
    const { seconds } = state.conduct;
    if (seconds && !state.again) limit.start(`${shown.item} ${shown.stage}`, seconds + shown.more_seconds);
    setTimeout(() => onScreen === key && page.ready(true), BETWEEN_ANSWERS - (performance.now() - answeredAt));
    tell();
    ahead();
  }

  // The pictures of this case into the frames, if they are not there; null if they cannot be loaded.
  async function lay(shown, key) {
    const isThere = sources(shown) === sources(pictured);
    if (!isThere) clear();
    const images = await pictures.load(shown).catch(() => null);
    if (!images || onScreen !== key) return images;
    if (!isThere || !laid) frames.lay(images, shown);
    pictured = shown;
    laid = true;
    return images;
  }

  async function showFeedback(told) {
    const key = onScreen;
    page.feedback(told.text);
    if (pictured?.item === told.item) return;
    clear();
    try {
      const { again } = await ask(`${api}?item=${told.item}`);
      if (onScreen === key) await lay(again, key);
    } catch {
      // The text is the feedback; the picture is seen when it can be.
    }
  }

  function ahead() {
    const { next, current } = state;
    for (const shown of [current, next]) if (shown) pictures.load(shown).catch(() => {}); // asked for again in need
    const rankings = state.stages.flatMap((stage) => stage.questions).filter((one) => one.kind === "ranking");
    for (const question of rankings) listOf(question).catch(() => {});
  }

  function pictureFailed(key) {
    noPicture = true;
    onScreen = null;
    page.loading(false);
    tell();
    // Perhaps the case is no longer ours to see: answered elsewhere, or the study closed.
    setTimeout(() => onScreen === null && subject() && keyOf(subject()) === key && refresh(), PICTURE_AGAIN);
  }

  // --- the server -----------------------------------------------------------------------------------------------

  const sender = createSender({
    outbox,
    own,
    post({ address, made, body }) {
      if (!made) return send(address, body);
      const { is_last: _last, is_practice: _practice, ...sent } = made;
      return send(address, sent);
    },
    onReply(entry, reply) {
      trouble = null;
      if (!own(entry) || !entry.made) return;
      state = states.adopt(states.delivered(state, entry.id), reply);
      if (reply.outcome === "already-answered") note = texts.already;
      render();
    },
    async onRefusal(entry, refusal) {
      if (refusal.code === "absent") throw refusal; // another account is signed in: keep it
      if (!own(entry) || !entry.made) return;
      if (refusal.code === "screen") location.replace(address);
      if (refusal.code === "screen" || refusal.code === "not-yet") throw refusal; // its time comes
      trouble = null;
      state = states.delivered(state, entry.id);
      if (refusal.code === "closed" || refusal.code === "withdrawn") return void leave();
      note = `${texts.refused} ${refusal.message}`;
      await refresh();
    },
    onTrouble(error) {
      trouble = error;
      tell();
    },
  });

  async function enqueue(entry) {
    await outbox.add({ reading: api, ...entry });
    tell();
    await sender.run();
  }

  function report(kind, detail, item = null) {
    void enqueue({ id: newSubmission(), address: events, body: { kind, detail, ...(item ? { item } : {}) } });
  }

  function leave() {
    state = { ...state, outbox: [] };
    location.replace(address); // the server says what there is to say
  }

  async function refresh() {
    try {
      state = states.adopt(state, await ask(api));
    } catch (error) {
      if (error instanceof Refused && error.code === "closed" && state.outbox.length === 0) return leave();
      // Otherwise we go on with what we know.
    }
    render();
  }

  // Another tab of this browser has added answers, or had them stored.
  async function follow() {
    const waiting = (await outbox.all({ withUnsaved: true })).filter((entry) => own(entry) && entry.made);
    const ids = new Set(waiting.map((entry) => entry.id));
    const isLess = state.outbox.some((made) => !ids.has(made.submission));
    state = states.withOutbox(state, waiting.map((entry) => entry.made));
    if (isLess) await refresh();
    else render();
  }

  // --- what the reader does -------------------------------------------------------------------------------------

  function give(submitter, { late = false } = {}) {
    const isOpen = isPainted && (late || root.hasAttribute("data-ready"));
    if (!isOpen) return;
    const { answers, missing } = form.read(submitter);
    if (missing && !late) {
      note = page.say(texts.needsAnswer, { question: missing.text });
      tell();
      return form.focusOn(missing);
    }
    answeredAt = performance.now();
    note = null;
    page.forget();
    state = states.answer(state, { submission: newSubmission(), answers, ...watch.told(), ...(late ? { late } : {}) });
    const made = state.outbox.at(-1);
    void enqueue({ id: made.submission, address: api, made });
    render();
  }

  async function undo() {
    const target = states.changeableBefore(state);
    if (!target) return;
    try {
      const { again } = await ask(`${api}?item=${target.item}`);
      if (!again.given) return;
      state = states.look(state, again);
      note = null;
    } catch {
      note = texts.noChange;
    }
    render();
  }

  function leaveIt() {
    if (!state.again) return;
    state = states.look(state, null);
    render();
  }

  function goOn() {
    state = states.dismiss(state);
    sessionStorage.setItem(`${api}dismissed`, state.dismissed);
    render();
  }

  let breakSince = null;
  function takeBreak() {
    breakSince = performance.now();
    page.find("break-take").hidden = true;
    page.find("break-go").focus();
  }
  function endBreak() {
    const { item } = state.current;
    taken.add(item);
    report("break", { seconds: breakSince === null ? 0 : Math.round((performance.now() - breakSince) / 1000) }, item);
    breakSince = null;
    page.find("break-take").hidden = false;
    render();
  }

  function moreTime() {
    if (page.find("more-time").hidden || page.find("clock").hidden) return;
    const seconds = Math.min(state.conduct.seconds, MOST_SECONDS);
    limit.more(seconds);
    report("more-time", { seconds }, state.current.item);
  }

  const acts = {
    cannot: () => isPainted && root.hasAttribute("data-ready") && form.press("cannot"),
    undo,
    larger: frames.larger,
    smaller: frames.smaller,
    fit: frames.fit,
    full: frames.full,
    picture: frames.next,
    layout: frames.toggleLayout,
    time: moreTime,
    help: help.open,
  };

  listenToKeys({
    keys: help.keys,
    act(action) {
      const digit = /^answer-(\d)$/.exec(action)?.[1];
      if (!digit) return acts[action]();
      if (root.dataset.now === "question" && root.hasAttribute("data-ready")) form.press(digit);
    },
    step: frames.step,
    send() {
      if (root.dataset.now === "feedback") goOn();
      else if (root.dataset.now === "question") form.send();
    },
    leave: leaveIt,
  });

  // --- events ---------------------------------------------------------------------------------------------------

  page.form.addEventListener("submit", (event) => {
    event.preventDefault();
    give(event.submitter);
  });
  page.find("tools").addEventListener("click", (event) => {
    const { zoom, pan } = event.target.closest("button")?.dataset ?? {};
    const way = { left: [-1, 0], right: [1, 0], up: [0, -1], down: [0, 1] }[pan];
    if (way) frames.step(...way);
    if (zoom) ({ in: frames.larger, out: frames.smaller, toggle: frames.toggle })[zoom]?.();
  });
  const onClick = (name, act) =>
    page.find(name)?.addEventListener("click", (event) => {
      event.preventDefault();
      act();
    });
  onClick("undo", undo);
  onClick("leave-it", leaveIt);
  onClick("feedback-go", goOn);
  onClick("break-take", takeBreak);
  onClick("break-go", endBreak);
  onClick("more-time", moreTime);
  onClick("open-help", help.open);

  outbox.changed(follow);
  window.addEventListener("online", sender.run);
  window.addEventListener("pageshow", (event) => event.persisted && refresh());
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "visible") return;
    void sender.run();
    void refresh();
  });
  window.addEventListener("beforeunload", (event) => {
    if (state.outbox.length > 0 && (trouble || !outbox.durable)) event.preventDefault();
  });

  // The case that the page came with: its pictures are in the document already.
  history.replaceState(null, "", address);
  pictured = JSON.parse(root.dataset.again) ?? JSON.parse(root.dataset.state).current;
  pictures.take([...root.querySelectorAll("[data-frame] img")]);
  render();
  void sender.run();
}

function painted() {
  return new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
}
