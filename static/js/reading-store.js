// What waits to be sent, in IndexedDB: it outlives a reload, a crash and the closing of the tab, and every tab of this
// browser sees it. Where IndexedDB cannot be used (some private windows), it is kept in this page's memory.

const NAME = "readerstudy";
const STORE = "outbox";
const PATIENCE = 3_000; // milliseconds; a database that does not open is taken for none

function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

// Resolved when it is on the disk, as far as a browser promises that.
function committed(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = transaction.onerror = () => reject(transaction.error);
  });
}

function openDatabase() {
  const request = indexedDB.open(NAME, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "place", autoIncrement: true });
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error("IndexedDB does not open")), PATIENCE));
  return Promise.race([settled(request), late]);
}

// {durable, all(), add(entry), remove(id), changed(tell)}; an entry is {id, reading, address, ...}, kept in order.
export async function openOutbox() {
  let entries = []; // in memory: all where there is no database, else those that it would not take
  let unsaved = []; // on their way into the database
  let known = new Map(); // id -> entry: what the database held when it was last looked at, should it go away
  let reopening = null;
  const channel = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel(NAME);
  const announce = () => channel?.postMessage("changed");
  let database = null;
  try {
    database = await opened();
  } catch {
    // Memory it is.
  }

  async function opened() {
    const made = await openDatabase();
    made.onversionchange = () => made.close();
    return made;
  }

  function transact(act) {
    const transaction = database.transaction(STORE, "readwrite", { durability: "strict" });
    act(transaction.objectStore(STORE));
    return committed(transaction);
  }

  // A connection can be lost at any time: the browser lets go of it, or somebody clears the data of this site. What the
  // database held is put into the new one; where there is none, it stays in memory.
  async function reopen() {
    const held = [...known.values()];
    try {
      database = await opened();
      await transact((store) => held.forEach((entry) => store.put(entry)));
    } catch {
      database = null;
      outbox.durable = false;
      entries = [...held, ...entries];
      known = new Map();
    }
  }

  // work(): what is to be done in the database; once more, if its connection was lost.
  async function inDatabase(work) {
    try {
      return await work();
    } catch (error) {
      if (error?.name === "QuotaExceededError") throw error;
      reopening ??= reopen().finally(() => (reopening = null));
      await reopening;
      if (!database) throw error;
      return work();
    }
  }

  async function storedOnes() {
    const look = () => settled(database.transaction(STORE).objectStore(STORE).getAll());
    const stored = await inDatabase(look).catch(() => null);
    if (stored) known = new Map(stored.map((entry) => [entry.id, entry]));
    return stored ?? [];
  }

  const outbox = {
    durable: database !== null,
    // What may be sent; `withUnsaved`: and what will be, once it is in the database.
    async all({ withUnsaved = false } = {}) {
      const stored = database ? await storedOnes() : [];
      const ids = new Set(stored.map((entry) => entry.id));
      const coming = withUnsaved ? unsaved.filter((entry) => !ids.has(entry.id)) : [];
      return [...stored, ...entries, ...coming];
    },
    async add(entry) {
      unsaved.push(entry);
      try {
        if (!database) throw new Error("in memory");
        await inDatabase(() => transact((store) => store.add(entry)));
        known.set(entry.id, entry);
      } catch {
        outbox.durable = false;
        entries.push(entry);
      }
      unsaved = unsaved.filter((one) => one !== entry);
      announce();
    },
    async remove(id) {
      entries = entries.filter((entry) => entry.id !== id);
      known.delete(id);
      if (database) {
        const stored = await outbox.all();
        const places = stored.filter((entry) => entry.id === id && "place" in entry).map((entry) => entry.place);
        known.delete(id);
        await inDatabase(() => transact((store) => places.forEach((place) => store.delete(place)))).catch(() => {});
        entries = entries.filter((entry) => entry.id !== id);
      }
      announce();
    },
    // Another tab has added or removed something.
    changed(tell) {
      channel?.addEventListener("message", tell);
    },
  };
  return outbox;
}
