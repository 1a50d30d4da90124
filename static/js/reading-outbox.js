// Sends the answers that wait, the oldest first, one at a time, again and again until the server has had its say.

import { Refused } from "./reading-api.js";

const PAUSES = [1_000, 2_000, 4_000, 8_000, 15_000, 30_000]; // milliseconds

// first(): the oldest waiting answer, or undefined. post(answer): sends it.
// onReply(answer, reply) and onRefusal(answer, refusal) must take the answer out of the waiting ones, or throw.
// onTrouble(error): it will be sent again.
export function createSender({ first, post, onReply, onRefusal, onTrouble }) {
  let sending = false;
  let failures = 0;
  let timer = 0;

  async function deliver(waiting) {
    let reply;
    try {
      reply = await post(waiting);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      await onRefusal(waiting, error);
      return;
    }
    onReply(waiting, reply);
  }

  async function run() {
    if (sending) return;
    clearTimeout(timer);
    sending = true;
    try {
      for (let waiting = first(); waiting; waiting = first()) {
        await deliver(waiting);
        failures = 0;
      }
    } catch (error) {
      timer = setTimeout(run, PAUSES[Math.min(failures, PAUSES.length - 1)]);
      failures += 1;
      onTrouble(error);
    } finally {
      sending = false;
    }
  }

  return { run };
}
