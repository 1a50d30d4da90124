// The diagnoses that a ranking question chooses from: fetched once for each question, again only in need.

import { ask } from "./reading-api.js";
import { prepare } from "./reading-search.js";

// Returns listOf(question): promise of its diagnoses, ready to be searched.
export function createLists(address) {
  const lists = new Map(); // question id -> promise

  return function listOf(question) {
    if (!lists.has(question.id)) {
      const list = ask(`${address}?question=${question.id}`).then((reply) => prepare(reply.diagnoses));
      lists.set(question.id, list);
      list.catch(() => lists.delete(question.id));
    }
    return lists.get(question.id);
  };
}
