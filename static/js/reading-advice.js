// What an arm gives beside the picture, asked for when its stage is due and not before: a piece of a page, by the
// address that the case names (`advice_src`). The questions wait for it.

import { fetchPiece } from "./reading-api.js";

const AGAIN = 3_000; // milliseconds

// onTrouble: it cannot be had, perhaps because the case is no longer the one to be read.
// enlarge(image): makes a button of what is looked at more closely.
export function createAdvice(slot, texts, { onTrouble, enlarge }) {
  let wanted = null; // the address that is asked for, or shown
  let height = 0; // of the last advice: room for the next, so that nothing moves when it comes

  async function bring(address) {
    const page = new DOMParser().parseFromString(await fetchPiece(address), "text/html");
    const images = [...page.querySelectorAll("img")];
    await Promise.all(images.map((image) => decoded(image.getAttribute("src"))));
    images.forEach(enlarge);
    return [...page.body.childNodes];
  }

  return {
    // Resolves to true when the advice of this case is there, to false when another case has taken its place.
    async show(shown) {
      enlarge.close();
      if (!slot.hidden && !("waits" in slot.dataset)) height = slot.offsetHeight;
      if (!shown.advice) {
        wanted = null;
        slot.hidden = true;
        slot.replaceChildren();
        return true;
      }
      if (wanted === shown.advice_src && !("waits" in slot.dataset)) return true;
      wanted = shown.advice_src;
      slot.hidden = false;
      slot.dataset.waits = "";
      slot.style.minHeight = `${height}px`;
      slot.textContent = texts.adviceWaits;
      for (;;) {
        try {
          const pieces = await bring(shown.advice_src);
          if (wanted !== shown.advice_src) return false;
          delete slot.dataset.waits;
          slot.replaceChildren(...pieces);
          slot.style.minHeight = "";
          return true;
        } catch {
          if (wanted !== shown.advice_src) return false;
          slot.textContent = texts.noAdvice;
          void onTrouble();
          await new Promise((resolve) => setTimeout(resolve, AGAIN));
          if (wanted !== shown.advice_src) return false;
        }
      }
    },
  };
}

async function decoded(src) {
  const image = new Image();
  image.src = src;
  await image.decode();
}
