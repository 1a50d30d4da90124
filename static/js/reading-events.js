// Which key, button and event of the browser is which act.

import { listenToKeys } from "./reading-keys.js";

const WAYS = { left: [-1, 0], right: [1, 0], up: [0, -1], down: [0, 1] };

// acts: see reading-acts. parts: {form, frames, help}.
export function listen({ page, session, outbox, acts, parts, server }) {
  const { form, frames, help } = parts;
  const named = {
    cannot: () => page.isReady() && form.press("cannot"),
    undo: acts.undo,
    larger: frames.larger,
    smaller: frames.smaller,
    fit: frames.fit,
    full: frames.full,
    picture: frames.next,
    layout: frames.toggleLayout,
    time: acts.moreTime,
    help: help.open,
  };

  listenToKeys({
    keys: help.keys,
    act(action) {
      const digit = /^answer-(\d)$/.exec(action)?.[1];
      if (!digit) return named[action]();
      if (page.now() === "question" && page.isReady()) form.press(digit);
    },
    step: frames.step,
    send() {
      if (page.now() === "feedback") acts.goOn();
      else if (page.now() === "question") form.send();
    },
    leave: acts.leaveIt,
  });

  page.form.addEventListener("submit", (event) => {
    event.preventDefault();
    acts.give(event.submitter);
  });
  page.find("tools").addEventListener("click", (event) => {
    const { zoom, pan } = event.target.closest("button")?.dataset ?? {};
    if (WAYS[pan]) frames.step(...WAYS[pan]);
    if (zoom) ({ in: frames.larger, out: frames.smaller, toggle: frames.toggle })[zoom]?.();
  });
  const buttons = {
    undo: acts.undo,
    "leave-it": acts.leaveIt,
    "feedback-go": acts.goOn,
    "break-take": acts.takeBreak,
    "break-go": acts.endBreak,
    "more-time": acts.moreTime,
    "open-help": help.open,
  };
  for (const [name, act] of Object.entries(buttons)) {
    page.find(name)?.addEventListener("click", (event) => {
      event.preventDefault();
      act();
    });
  }

  outbox.changed(server.follow);
  window.addEventListener("online", server.sendNow);
  window.addEventListener("pageshow", (event) => event.persisted && server.refresh());
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "visible") return;
    void server.sendNow();
    void server.refresh();
  });
  window.addEventListener("beforeunload", (event) => {
    if (session.state.outbox.length > 0 && (session.trouble || !outbox.durable)) event.preventDefault();
  });
}
