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

function letGo(images) {
  for (const image of images) if (image.src.startsWith("blob:")) URL.revokeObjectURL(image.src);
}

export function createPictures() {
  const held = new Map(); // item -> promise of decoded images

  function put(item, promise) {
    held.set(item, promise);
    promise.catch(() => {
      if (held.get(item) === promise) held.delete(item); // so that the next call tries again
    });
    return promise;
  }

  return {
    // The pictures of a case, decoded. Asked for twice, fetched once.
    load(shown) {
      return held.get(shown.item) ?? put(shown.item, Promise.all(shown.pictures.map(fetchPicture)));
    },
    // Pictures that the page came with.
    take(item, images) {
      return put(item, Promise.all(images.map((image) => image.decode().then(() => image))));
    },
    // Let go of every other case's pictures.
    keepOnly(cases) {
      const kept = new Set(cases.filter(Boolean).map((shown) => shown.item));
      for (const [item, promise] of held) {
        if (kept.has(item)) continue;
        held.delete(item);
        promise.then(letGo, () => {});
      }
    },
  };
}
