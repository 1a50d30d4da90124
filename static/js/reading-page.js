// Writes into the reading page; decides nothing.

export function bindPage(root) {
  const find = (name) => root.querySelector(`[data-${name}]`);
  const texts = sayings(find("texts"));
  const form = find("answer");
  const told = find("told");
  const wait = find("wait");

  const say = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const disable = (element, off) => element.setAttribute("aria-disabled", String(off));
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

  return {
    form,
    texts,
    frames: () => [...root.querySelectorAll("[data-frame]")],
    tools: find("tools"),

    // The place in the test, in every spot that states it.
    place(shown, total, answered) {
      const values = { position: shown.position, total };
      find("where").textContent = say(texts.where, values);
      find("announce").textContent = say(texts.announce, values);
      find("passed").max = total;
      find("passed").value = answered;
      document.title = say(texts.title, values);
      form.elements.item.value = shown.item;
    },
    describe(image, shown) {
      image.alt = say(texts.picture, { position: shown.position });
    },

    // Whether the question can be answered now. Not `disabled`: that would take the focus away at each case.
    ready(is) {
      root.toggleAttribute("data-ready", is);
      for (const choice of form.querySelectorAll(".choice")) disable(choice, !is);
    },

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
      find("scale").textContent = `${percent} %`;
      find("pans").hidden = !enlarged;
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

// The page's texts, in the reader's language: data-say-no-picture is texts.noPicture.
function sayings(element) {
  const said = Object.entries(element.dataset).filter(([name]) => name.startsWith("say"));
  return Object.fromEntries(said.map(([name, text]) => [name[3].toLowerCase() + name.slice(4), text]));
}
