// Brings what is due onto the page: a case with its pictures and questions, feedback, a break, or the wait for either.

import { Refused, SignedOut } from "./reading-api.js";
import * as states from "./reading-state.js";

const BETWEEN_ANSWERS = 500; // milliseconds: a double click or press must not answer the next case
const PICTURE_AGAIN = 3_000;

// addresses: {page, done, signIn}. parts: {form, frames, pictures, advice, watch, limit, help, listOf}.
// durable(): whether what waits outlives the page. server: see reading-server, made after this one.
export function createRender({ page, session, addresses, parts, durable, server }) {
  const { form, frames, pictures, advice, watch, limit, help, listOf } = parts;
  const { texts } = page;
  let onScreen = null; // what is shown, or being loaded to be shown: `keyOf` a subject
  let pictured = null; // the case whose pictures are in the frames
  let laid = false; // whether the frames hold them as viewers do
  let isPainted = false; // only then can the question be answered
  let noPicture = false;

  const stageOf = (shown) => session.state.stages.find((stage) => stage.stage === shown.stage);
  const sources = (shown) => shown?.pictures.map((one) => one.src).join(" ");

  // --- what there is to say -------------------------------------------------------------------------------------

  function waitingNote({ trouble, state }) {
    const link = trouble instanceof SignedOut ? { href: addresses.signIn, text: texts.signIn } : null;
    const why = trouble instanceof SignedOut ? texts.signedOut : trouble instanceof Refused ? texts.absent : durable() ? texts.unsent : texts.unreached;
    const text = `${page.waitingText(state.outbox.length)} ${why}`;
    return { text, bad: true, link, action: { text: texts.sendNow, run: () => server().sendNow() } };
  }

  function tell() {
    const notes = [];
    if (session.trouble && session.state.outbox.length > 0) notes.push(waitingNote(session));
    if (!durable()) notes.push({ text: texts.inMemory });
    if (noPicture) {
      notes.push({ text: texts.noPicture, bad: true, action: { text: texts.tryNow, run: () => server().refresh() } });
    }
    if (session.note) notes.push({ text: session.note });
    page.tell(notes);
  }

  // --- what is on the screen ------------------------------------------------------------------------------------

  // What belongs there: {view, shown}, with `told` of a practice case; null: nothing until the server speaks.
  function subject() {
    const { state } = session;
    if (state.again) return { view: "question", shown: state.again };
    const told = states.feedbackDue(state);
    if (told) return { view: "feedback", shown: { ...told, stage: 0 }, told };
    if (!state.current) return null;
    return { view: states.breakDue(state, state.current, session.rested) ? "break" : "question", shown: state.current };
  }
  const keyOf = ({ view, shown }) => [view, shown.item, shown.stage, shown === session.state.again].join(" ");

  function render() {
    tell();
    page.undo(states.changeableBefore(session.state));
    const way = states.wayOut(session.state);
    if (way) return void location.replace(way === "done" ? addresses.done : addresses.page);
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
    const last = session.state.outbox.at(-1);
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
    if (next.view === "break") page.place(next.shown, session.state.total, next.shown.position - 1);
    if (page.view(next.view)) page.find(next.view === "break" ? "break-go" : "feedback-go").focus();
    ahead();
  }

  // --- a case ---------------------------------------------------------------------------------------------------

  async function showCase(shown) {
    const key = onScreen;
    const { state } = session;
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
    page.shares();
    page.loading(false);
    await painted();
    if (onScreen !== key) return;
    open(shown, key);
  }

  // It is seen: from now on its time counts, and it can be answered.
  function open(shown, key) {
    isPainted = true;
    watch.start();
    const { seconds } = session.state.conduct;
    if (seconds && !session.state.again) limit.start(`${shown.item} ${shown.stage}`, seconds + shown.more_seconds);
    const rest = BETWEEN_ANSWERS - (performance.now() - session.answeredAt);
    setTimeout(() => onScreen === key && page.ready(true), rest);
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

  function pictureFailed(key) {
    noPicture = true;
    onScreen = null;
    page.loading(false);
    tell();
    // Perhaps the case is no longer ours to see: answered elsewhere, or the study closed.
    setTimeout(() => {
      if (onScreen === null && subject() && keyOf(subject()) === key) void server().refresh();
    }, PICTURE_AGAIN);
  }

  async function showFeedback(told) {
    const key = onScreen;
    page.feedback(told.text);
    if (pictured?.item === told.item) return;
    clear();
    try {
      const again = await server().again(told.item);
      if (onScreen === key) await lay(again, key);
    } catch {
      // The text is the feedback; the picture is seen when it can be.
    }
  }

  // What is likely to be wanted next; asked for again in need.
  function ahead() {
    const { next, current, stages } = session.state;
    for (const shown of [current, next]) if (shown) pictures.load(shown).catch(() => {});
    const rankings = stages.flatMap((stage) => stage.questions).filter((one) => one.kind === "ranking");
    for (const question of rankings) listOf(question).catch(() => {});
  }

  return {
    render,
    tell,
    isPainted: () => isPainted,
    // The case that the page came with: its pictures are in the document already.
    take(shown, images) {
      pictured = shown;
      pictures.take(images);
    },
  };
}

function painted() {
  return new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
}
