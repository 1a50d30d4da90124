// Sends what waits, the oldest first, one at a time, again and again until the server has had its say.

import { Refused } from "./reading-api.js";

const PAUSES = [1_000, 2_000, 4_000, 8_000, 15_000, 30_000]; // milliseconds
const LOCK = "readerstudy-outbox";
const TURN = 30_000; // milliseconds to wait for another tab; sending twice does no harm, waiting for ever would

// One tab sends at a time. Without Web Locks two may send the same: the server stores it once and confirms it twice.
async function inTurn(work) {
  if (!navigator.locks) return work();
  let begun = false;
  const once = () => {
    begun = true;
    return work();
  };
  try {
    return await navigator.locks.request(LOCK, { signal: AbortSignal.timeout(TURN) }, once);
  } catch (error) {
    if (begun || error.name !== "TimeoutError") throw error;
    return once();
  }
}

// outbox: see reading-store. post(entry): sends it. own(entry): whether it is of this page's reading.
// onRefusal(entry, refusal) may throw: then the entry stays. onReply(entry, reply) comes when it has been taken out.
// onTrouble(error): it will be sent again. Of a reading that the person signed in may not see, entries are kept for
// whoever may, and do not hold up the others.
export function createSender({ outbox, own, post, onReply, onRefusal, onTrouble }) {
  let sending = false;
  let again = false; // something came while we were at it
  let failures = 0;
  let timer = 0;

  async function deliver(entry) {
    let reply;
    try {
      reply = await post(entry);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      await onRefusal(entry, error);
      await outbox.remove(entry.id);
      return;
    }
    await outbox.remove(entry.id);
    await onReply(entry, reply);
  }

  async function empty() {
    const notOurs = new Set();
    const first = async () => (await outbox.all()).find((entry) => !notOurs.has(entry.reading));
    for (let entry = await first(); entry; entry = await first()) {
      try {
        await deliver(entry);
      } catch (error) {
        if (error.code !== "absent" || own(entry)) throw error;
        notOurs.add(entry.reading);
      }
      failures = 0;
    }
  }

  async function run() {
    again = true;
    if (sending) return;
    clearTimeout(timer);
    sending = true;
    try {
      while (again) {
        again = false;
        if ((await outbox.all()).length > 0) await inTurn(empty);
      }
    } catch (error) {
      again = false;
      timer = setTimeout(run, PAUSES[Math.min(failures, PAUSES.length - 1)]);
      failures += 1;
      onTrouble(error);
    } finally {
      sending = false;
    }
  }

  return { run };
}
