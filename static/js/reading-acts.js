// What the reader does, by a key, a button or the clock: each act changes the state and has it shown.

import { newSubmission } from "./reading-api.js";
import * as states from "./reading-state.js";

const MOST_SECONDS = 3_600; // that are asked for at once

// view: see reading-render. server: see reading-server. parts: {form, watch, limit}.
export function createActs({ page, session, parts, view, server }) {
  const { form, watch, limit } = parts;
  const { texts } = page;
  let breakSince = null;

  // `late`: the time is up, and what there is of an answer goes.
  function give(submitter, { late = false } = {}) {
    if (!view.isPainted() || !(late || page.isReady())) return;
    const { answers, missing } = form.read(submitter);
    if (missing && !late) {
      session.note = page.say(texts.needsAnswer, { question: missing.text });
      view.tell();
      return form.focusOn(missing);
    }
    session.answeredAt = performance.now();
    session.note = null;
    page.forget();
    const told = { submission: newSubmission(), answers, ...watch.told(), ...(late ? { late } : {}) };
    session.state = states.answer(session.state, told);
    server.submit(session.state.outbox.at(-1));
    view.render();
  }

  async function undo() {
    const target = states.changeableBefore(session.state);
    if (!target) return;
    try {
      const again = await server.again(target.item);
      if (!again.given) return;
      session.state = states.look(session.state, again);
      session.note = null;
    } catch {
      session.note = texts.noChange;
    }
    view.render();
  }

  function leaveIt() {
    if (!session.state.again) return;
    session.state = states.look(session.state, null);
    view.render();
  }

  function goOn() {
    session.dismiss();
    view.render();
  }

  function takeBreak() {
    breakSince = performance.now();
    page.find("break-take").hidden = true;
    page.find("break-go").focus();
  }

  function endBreak() {
    const { item } = session.state.current;
    session.rested.add(item);
    const seconds = breakSince === null ? 0 : Math.round((performance.now() - breakSince) / 1000);
    server.report("break", { seconds }, item);
    breakSince = null;
    page.find("break-take").hidden = false;
    view.render();
  }

  function moreTime() {
    if (page.find("more-time").hidden || page.find("clock").hidden) return;
    const seconds = Math.min(session.state.conduct.seconds, MOST_SECONDS);
    limit.more(seconds);
    const { item, stage } = session.state.current;
    server.report("more-time", { seconds, stage }, item);
  }

  return { give, undo, leaveIt, goOn, takeBreak, endBreak, moreTime };
}
