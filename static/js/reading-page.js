// Writes into the reading page; decides nothing.

export function bindPage(root) {
  const find = (name) => root.querySelector(`[data-${name}]`);
  const texts = sayings(find("texts"));
  const form = find("answer");
  const told = find("told");
  const wait = find("wait");
  const views = [...root.querySelectorAll("[data-view]")];

  const say = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  let waiting = 0;
  told.dataset.key = "[]";

  function line(text, { bad = false, action = null, link = null } = {}) {
    const paragraph = document.createElement("p");
    paragraph.className = bad ? "tell bad" : "tell";
    const words = document.createElement("span");
    words.textContent = text;
    paragraph.append(words);
    if (link) {
      const anchor = document.createElement("a");
      Object.assign(anchor, { href: link.href, textContent: link.text, target: "_blank", rel: "noopener" });
      paragraph.append(anchor);
    }
    if (action) {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", className: "link", textContent: action.text });
      button.addEventListener("click", action.run);
      paragraph.append(button);
    }
    return paragraph;
  }

  function fact({ name, value }) {
    const pair = document.createElement("div");
    const what = document.createElement("dt");
    const is = document.createElement("dd");
    what.textContent = name;
    is.textContent = value;
    pair.append(what, is);
    return pair;
  }

  return {
    form,
    texts,
    say,
    find,
    template: (stage) => root.querySelector(`template[data-stage="${stage}"]`),

    // The place in the test, in every spot that states it.
    place(shown, total, answered) {
      const values = { position: shown.position, total };
      find("where").textContent = say(texts.where, values);
      find("announce").textContent = say(texts.announce, values);
      find("passed").max = total;
      find("passed").value = answered;
      find("practice").hidden = !shown.is_practice;
      document.title = say(texts.title, values);
    },
    facts(shown) {
      const list = find("facts");
      list.hidden = shown.facts.length === 0;
      list.replaceChildren(...shown.facts.map(fact));
    },
    name: (shown, index) => ({
      alt: say(texts.picture, { position: shown.position }),
      kind: texts[shown.pictures[index].modality] ?? "",
    }),

    // What the model gives each class, on the buttons of these very classes: a narrow panel has no room for both.
    shares() {
      for (const old of form.querySelectorAll(".share")) old.remove();
      const bars = [...find("advice").querySelectorAll("[data-bars] > div")];
      const told = new Map(bars.map((bar) => [wordsOf(bar, "dt"), wordsOf(bar, "dd span")]));
      const choices = [...form.querySelectorAll(".choice")].filter((choice) => told.has(wordsOf(choice, "span")));
      const isEach = told.size > 1 && choices.length === told.size;
      form.closest("[data-view]").classList.toggle("shares", isEach);
      if (!isEach) return;
      for (const choice of choices) {
        const share = document.createElement("span");
        share.className = "share";
        share.textContent = told.get(wordsOf(choice, "span"));
        choice.querySelector("span").append(" ", share);
      }
    },

    // One of: question, feedback, break.
    view(name) {
      const focused = views.some((view) => view.dataset.view !== name && view.contains(document.activeElement));
      for (const view of views) view.hidden = view.dataset.view !== name;
      root.dataset.now = name;
      return focused;
    },
    now: () => root.dataset.now,
    feedback(text) {
      find("feedback").textContent = text;
    },

    // Whether the question can be answered now. Not `disabled`: that would take the focus away at each case.
    ready(is) {
      root.toggleAttribute("data-ready", is);
      for (const choice of form.querySelectorAll("button.choice")) choice.setAttribute("aria-disabled", String(!is));
    },

    isReady: () => root.hasAttribute("data-ready"),

    // A picture that is there at once needs no word; a slow one does.
    loading(is, text = texts.loading) {
      clearTimeout(waiting);
      if (!is) wait.hidden = true;
      else
        waiting = setTimeout(() => {
          wait.textContent = text;
          wait.hidden = false;
        }, 300);
    },

    scale({ percent, enlarged }) {
      for (const place of root.querySelectorAll("[data-scale]")) place.textContent = `${percent} %`;
      find("pans").hidden = !enlarged;
    },

    // The time that is left, in minutes and seconds; null: no limit now. `mayAsk`: for more of it.
    clock(left, { warns = false, mayAsk = false } = {}) {
      find("clock").hidden = left === null;
      if (left === null) return;
      const text = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
      if (find("left").textContent !== text) find("left").textContent = text;
      find("more-time").hidden = !mayAsk;
      const says = left === 0 ? texts.timeUp : warns ? texts.timeShort : "";
      if (find("time-told").textContent !== says) find("time-told").textContent = says;
    },

    // The answer before, if it may be changed: a button that is always at its place.
    undo(item) {
      const button = find("undo");
      if (!button) return;
      button.setAttribute("aria-disabled", String(!item));
      const text = item ? say(texts.undo, { position: item.position }) : texts.noUndo;
      button.setAttribute("aria-label", text);
      button.title = text;
      if (item) button.href = `${root.dataset.page}?item=${item.item}`;
      else button.removeAttribute("href");
    },

    // The keys as the reader has them, where they are written on the answers.
    keys({ off, keys }) {
      root.toggleAttribute("data-keys-off", off);
      const named = (key) => (key === "cannot" ? keys.cannot : keys[`answer-${key}`]) ?? key;
      for (const choice of form.querySelectorAll("[data-key]")) {
        const key = named(choice.dataset.key);
        const sign = choice.closest(".choice").querySelector("kbd");
        if (sign) sign.textContent = key.toUpperCase();
        if (off) choice.removeAttribute("aria-keyshortcuts");
        else choice.setAttribute("aria-keyshortcuts", key);
      }
    },

    // Everything that there is to tell: {text, bad, action, link}, none by default.
    tell(notes) {
      const key = JSON.stringify(notes);
      if (told.dataset.key === key) return; // not announced again
      told.dataset.key = key;
      told.replaceChildren(...notes.map((note) => line(note.text, note)));
    },

    // What the page came with, of an earlier answer, is past.
    forget() {
      told.replaceChildren();
      told.dataset.key = "[]";
    },

    waitingText(count) {
      return count === 1 ? texts.oneWaiting : say(texts.someWaiting, { count });
    },
  };
}

function wordsOf(element, selector) {
  return element.querySelector(selector)?.textContent.trim();
}

// The page's texts, in the reader's language: data-say-no-picture is texts.noPicture.
function sayings(element) {
  const said = Object.entries(element.dataset).filter(([name]) => name.startsWith("say"));
  return Object.fromEntries(said.map(([name, text]) => [name[3].toLowerCase() + name.slice(4), text]));
}
