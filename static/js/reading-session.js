// What the parts of the reading page share and change: where the reading stands, and what there is to tell of it.

import * as states from "./reading-state.js";

// data: the page's data attributes. An entry of the outbox is of this session if `owns` says so.
export async function openSession(data, outbox) {
  const { api } = data;
  const owns = (entry) => entry.reading === api;
  const waiting = async (options) => (await outbox.all(options)).filter((entry) => owns(entry) && entry.made);
  const again = JSON.parse(data.again);
  const entries = (await outbox.all()).filter(owns);
  const made = entries.flatMap((entry) => entry.made ?? []);
  // A break of which the server has not heard yet is not suggested again.
  const rested = entries.flatMap(({ body }) => (body?.kind === "break" ? body.item : []));
  const state = states.begin(JSON.parse(data.state), { outbox: made, again });
  const dismissedKey = `${api}dismissed`;
  return {
    owns,
    waiting, // the answers that wait to be sent, with `withUnsaved` those too that the outbox is about to keep
    state: { ...state, dismissed: kept(dismissedKey) },
    trouble: null, // why answers wait
    note: null, // what became of an answer
    answeredAt: -Infinity, // when the last answer was given, in this page's milliseconds
    rested: new Set(rested), // the cases before which a break was suggested and answered
    dismiss() {
      this.state = states.dismiss(this.state);
      keep(dismissedKey, this.state.dismissed);
    },
  };
}

// The tab's own storage; where a browser denies it, what is kept there lasts as long as the page.
function kept(key) {
  try {
    return sessionStorage.getItem(key);
  } catch {
    return null;
  }
}

function keep(key, value) {
  try {
    sessionStorage.setItem(key, value);
  } catch {
    // As above.
  }
}
