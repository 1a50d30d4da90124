// Where a reading stands in this page: plain values, and functions from one state to the next.
// No document, no network. `current` and `next` are cases as the server describes them ({item, position, pictures}).

export function begin(standing) {
  return adopt({ answered: 0, total: 0, finished: false, current: null, next: null, outbox: [] }, standing);
}

// The server's word replaces ours, but for the answers that are still on their way to it. Answers only grow in number:
// a reply that knows of fewer than we have seen is an old one that was overtaken.
export function adopt(state, standing) {
  if (standing.answered < state.answered) return state;
  const onTheirWay = new Set(state.outbox.map((answer) => answer.item));
  const ahead = [standing.current, standing.next].filter((shown) => shown && !onTheirWay.has(shown.item));
  return {
    ...state,
    answered: standing.answered,
    total: standing.total,
    finished: standing.current === null,
    current: ahead[0] ?? null,
    next: ahead[1] ?? null,
  };
}

// The current case is answered: the answer waits to be sent, and the case after it, if it is known, is current.
export function answer(state, { submission, answers, shownAt, answeredAt }) {
  const made = {
    item: state.current.item,
    stage: state.current.stage,
    submission,
    answers,
    shown_at: shownAt,
    answered_at: answeredAt,
  };
  return { ...state, current: state.next, next: null, outbox: [...state.outbox, made] };
}

// The server has said what became of this submission; it need not be sent again.
export function delivered(state, submission) {
  return { ...state, outbox: state.outbox.filter((made) => made.submission !== submission) };
}

export function isOver(state) {
  return state.finished && state.outbox.length === 0;
}
