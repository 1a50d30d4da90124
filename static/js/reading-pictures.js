// Pictures in page memory: fetched and decoded before they are shown, and let go when their case is past.
// The addresses and the server's `no-store` keep them out of every cache.

async function fetchPicture({ src, width, height }) {
  const response = await fetch(src, { cache: "no-store", credentials: "same-origin" });
  if (!response.ok) throw new Error(`${response.status}`);
  const address = URL.createObjectURL(await response.blob());
  const image = new Image(width, height);
  image.draggable = false;
  image.src = address;
  try {
    await image.decode();
  } catch (error) {
    URL.revokeObjectURL(address);
    throw error;
  }
  return image;
}

function letGo(image) {
  if (image.src.startsWith("blob:")) URL.revokeObjectURL(image.src);
}

export function createPictures() {
  const held = new Map(); // address -> promise of a decoded image

  function put(src, promise) {
    held.set(src, promise);
    promise.catch(() => {
      if (held.get(src) === promise) held.delete(src); // so that the next call tries again
    });
    return promise;
  }

  return {
    // The pictures of a case, decoded. Asked for twice, fetched once.
    load(shown) {
      return Promise.all(shown.pictures.map((one) => held.get(one.src) ?? put(one.src, fetchPicture(one))));
    },
    // Pictures that the page came with.
    take(images) {
      for (const image of images) put(image.getAttribute("src"), image.decode().then(() => image));
    },
    // Let go of every other case's pictures.
    keepOnly(cases) {
      const kept = new Set(cases.filter(Boolean).flatMap((shown) => shown.pictures.map((one) => one.src)));
      for (const [src, promise] of held) {
        if (kept.has(src)) continue;
        held.delete(src);
        promise.then(letGo, () => {});
      }
    },
  };
}
