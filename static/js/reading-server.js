// The page's talk with the server: answers and events go out by way of the outbox, its word comes back as the state.

import { Refused, ask, newSubmission, send } from "./reading-api.js";
import { createSender } from "./reading-outbox.js";
import * as states from "./reading-state.js";

// texts: what is said. render(), tell(): show what has changed. addresses: {api, events, page}.
export function createServer({ session, outbox, addresses, texts, render, tell }) {
  const { api, events, page } = addresses;

  const sender = createSender({
    outbox,
    own: session.owns,
    post(entry) {
      const { address, made, body } = entry;
      if (!made) return send(address, { id: entry.id, ...body });
      const { is_last: _last, is_practice: _practice, ...sent } = made;
      return send(address, sent);
    },
    onReply(entry, reply) {
      session.trouble = null;
      if (!session.owns(entry) || !entry.made) return;
      session.state = states.adopt(states.delivered(session.state, entry.id), reply);
      if (reply.outcome === "already-answered") session.note = texts.already;
      render();
    },
    async onRefusal(entry, refusal) {
      if (refusal.code === "absent") throw refusal; // another account is signed in: keep it
      if (!session.owns(entry) || !entry.made) return;
      if (refusal.code === "screen") location.replace(page);
      if (refusal.code === "screen" || refusal.code === "not-yet") throw refusal; // its time comes
      session.trouble = null;
      session.state = states.delivered(session.state, entry.id);
      if (refusal.code === "closed" || refusal.code === "withdrawn") return void leave();
      session.note = `${texts.refused} ${refusal.message}`;
      await refresh();
    },
    onTrouble(error) {
      session.trouble = error;
      tell();
    },
  });

  async function enqueue(entry) {
    await outbox.add({ reading: api, ...entry });
    tell();
    await sender.run();
  }

  function leave() {
    session.state = { ...session.state, outbox: [] };
    location.replace(page); // the server says what there is to say
  }

  async function refresh() {
    try {
      session.state = states.adopt(session.state, await ask(api));
    } catch (error) {
      const isOver = error instanceof Refused && ["closed", "consent"].includes(error.code);
      if (isOver && session.state.outbox.length === 0) return leave();
      // Otherwise we go on with what we know.
    }
    render();
  }

  return {
    sendNow: sender.run,
    refresh,
    // An answer, as the state has it.
    submit(made) {
      void enqueue({ id: made.submission, address: api, made });
    },
    // What happened beside the answers.
    report(kind, detail, item = null) {
      void enqueue({ id: newSubmission(), address: events, body: { kind, detail, ...(item ? { item } : {}) } });
    },
    // Another tab of this browser has added answers, or had them stored.
    async follow() {
      const waiting = await session.waiting({ withUnsaved: true });
      const ids = new Set(waiting.map((entry) => entry.id));
      const isLess = session.state.outbox.some((made) => !ids.has(made.submission));
      session.state = states.withOutbox(session.state, waiting.map((entry) => entry.made));
      if (isLess) await refresh();
      else render();
    },
    // An answered case, as it may be seen again.
    async again(item) {
      return (await ask(`${api}?item=${item}`)).again;
    },
  };
}
