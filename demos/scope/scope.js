/* The page draws what the loop tells it, and tells the loop what the user wants.

   1. Everything comes through one event stream; what was not told is not drawn.  Nothing is simulated.
   2. An event only notes what is new.  It is drawn once for each picture that the screen shows, however many came.
   3. What clients send becomes text and nothing else: textContent, never markup.
   4. A node stays the node of its connection, so that focus and selection survive sixty pictures a second. */

"use strict";

const $ = id => document.getElementById(id);

const SPEEDS = [1, 3, 10, 30, 100, 200, 300, 500, 1000];
const RATES = [[65536, "64 kB/s"], [8192, "8 kB/s"], [1024, "1 kB/s"], [100, "100 B/s"]];
const MOST_LISTED = 100;
const MOST_EARLIER = 6;
const MOST_COLUMNS = 2000;     // as many turns as the program keeps
const MOST_BYTES = 65 * 2 ** 20;          // of a recording that the program takes
const READABLE = 20;           // turns a second that somebody can follow
const SILENCE = 1500;          // ms without a heartbeat, from which on the loop is said to be stuck
const INSTANT = 0.00005;       // seconds below which nobody slept: select was asked, and answered
const BREATH = 4000;           // ms between two things that a screen reader is given to say, at least
const SPEECH = 60;             // ms that it needs for a character
const RETRY = 500, MOST_RETRY = 60000;    // ms until a program that is not there is looked for again, at first and at most

const LETTERS = {r: "read", w: "wrote", e: "EAGAIN", a: "came", c: "went", x: "failed", S: "slow", "@": "spins"};
const LETTERS_AT_LENGTH = {
  r: "bytes, or end of file, were read", w: "bytes were written", e: "EAGAIN, which is an answer: not now",
  a: "a connection came", c: "one was closed", x: "something failed", S: "a callback took more than 50 ms",
  "@": "spinning: somebody is ready again and nothing is done about it"};
const LETTER_OF = {
  received: "r", "datagram received": "r", ended: "r", blocked: "e",
  sent: "w", "partly sent": "w", "datagram sent": "w",
  accepted: "a", adopted: "a", connecting: "a", connected: "a", listening: "a", opened: "a", closed: "c", failed: "c",
  error: "x", raised: "x", lost: "x"};
const letterOf = (kind, what) => kind === "lost" && what.endsWith("by us") ? "c" : LETTER_OF[kind];
const STAGE_OF = {turn: "1", "quick look": "3", ready: "3"};
const LANES = ["r", "w", "e", "ac", "x", "S@"];
const LANE_NAMES = ["read", "wrote", "EAGAIN", "came, went", "failed", "slow, spins"];

const still = matchMedia("(prefers-reduced-motion: reduce)");

// -- what is known

const live = {hello: {}, state: {mode: "gone"}, counters: null, frame: null, arrived: 0, beat: 0, unseen: 0,
              findings: [], heeded: 0, earlier: [], gone: false, stuck: 0, culprit: ""};
const look = {turn: null, frame: null};    // a turn that is not the newest; null: now
const page = {stepped: null, largest: 65536, part: "look", drawn: null, next: "", silent: 0, playing: 0, retry: RETRY};

const replaying = () => Boolean(live.state.replay);
const isStuck = () => live.stuck > 0 && !$("alarm").classList.contains("over");
const shown = () => look.frame || (replaying() ? null : live.frame);

// -- nodes

function make(tag, className = "", text = "") {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text) node.textContent = text;
  return node;
}

function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function flag(node, className, on) {
  if (node.classList.contains(className) !== Boolean(on)) node.classList.toggle(className, Boolean(on));
}

function fill(bar, share) {
  const scale = `scaleX(${Math.round(Math.min(Math.max(share, 0), 1) * 1000) / 1000})`;
  if (bar.style.transform !== scale) bar.style.transform = scale;
}

/* One child for each item, in order; the child of a key stays the same node. */
function keyed(parent, items, key, create, update) {
  const before = parent.byKey || new Map(), now = new Map(items.map(item => [key(item), null]));
  for (const [name, node] of before) if (!now.has(name)) node.remove();
  let next = parent.firstElementChild;
  for (const item of items) {
    const name = key(item), node = before.get(name) || create(item);
    now.set(name, node);
    update(node, item);
    if (node === next) next = next.nextElementSibling;
    else parent.insertBefore(node, next);
  }
  parent.byKey = now;
}

// -- numbers in words

const count = number => Math.round(number).toLocaleString("en");

function percent(share) {
  const isFine = share && share < 0.0995 || share > 0.99 && share < 0.9995;
  return `${(share * 100).toFixed(isFine ? 1 : 0)} %`;
}

function bytes(size) {
  if (size < 10000) return `${count(size)} B`;
  const unit = size < 1e6 ? [1e3, "kB"] : size < 1e9 ? [1e6, "MB"] : [1e9, "GB"];
  return `${(size / unit[0]).toFixed(size < unit[0] * 100 ? 1 : 0)} ${unit[1]}`;
}

function seconds(time) {
  if (time < 0.001) return `${Math.round(time * 1e6)} µs`;
  if (time < 1) return `${(time * 1000).toFixed(time < 0.1 ? 1 : 0)} ms`;
  return `${time.toFixed(time < 10 ? 2 : 1)} s`;
}

/* Three digits are enough where there are many. */
function short(number, many = 1e5) {
  if (number < many) return count(number);
  return number < 1e6 ? `${count(number / 1e3)} k` : `${(number / 1e6).toFixed(number < 1e8 ? 1 : 0)} M`;
}

function many(number, one, more = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : more}`;
}

/* What is wrong stands first. */
const lettersInWords = letters => [..."@Sx".split("").filter(letter => letters.includes(letter)),
  ...letters.replace(/[@Sx]/g, "")].map(letter => LETTERS[letter]).join(", ");

// -- painting: what changed is drawn with the next picture of the screen

const changed = new Set();
let waiting = false;

function change(...parts) {
  parts.forEach(part => changed.add(part));
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    const parts = [...changed];
    changed.clear();
    parts.forEach(part => PAINT[part]());
  });
}

const painted = {}, later = {};    // by part: when, and the timer that will

/* As change(), but not more often than once in so many ms. */
function calmly(part, pause) {
  const wait = (painted[part] || 0) + pause - performance.now();
  clearTimeout(later[part]);
  if (wait > 0) {
    later[part] = setTimeout(calmly, wait, part, 0);
  } else {
    painted[part] = performance.now();
    change(part);
  }
}

const isTooFast = () => live.state.mode === "running" && (live.counters || {}).turns_per_second > READABLE;

const PAINT = {
  figures() {
    const {counters, frame, state} = live;
    const turn = Math.max(counters ? counters.turns - 1 : -1, frame ? frame.turn : -1);
    put($("turns"), turn < 0 ? "–" : short(turn, 1e7));
    if (counters) {
      put($("asleep"), percent(counters.asleep_share));
      fill($("asleep-bar"), counters.asleep_share);
      const rate = counters.turns_per_second;
      put($("rate"), rate < 10 ? rate.toFixed(1) : short(rate));
      put($("counters"), `in ${bytes(counters.received)} · out ${bytes(counters.sent)} · ` +
        `longest queue ${bytes(counters.largest)} · ${many(counters.events, "event")} · ` +
        `at most ${count(counters.most)} open`);
    }
    const lost = [live.unseen && `${many(live.unseen, "turn")} not seen`,
                  state.dropped && `${many(state.dropped, "picture")} dropped for this browser`];
    put($("load"), lost.filter(Boolean).join(" · "));
  },

  controls() {
    const {speed, recording, recorded, page: own, browsers} = live.state;
    const mode = live.gone ? "gone" : isStuck() ? "stuck" : replaying() ? "replay" : live.state.mode;
    document.body.dataset.mode = mode;
    const words = {running: "Running", paused: "Paused", slow: `Slow ${slowness(speed)}`, replay: "Replay",
                   stuck: "Stuck", gone: "Not there"};
    put($("mode"), words[mode]);
    put($("pause"), live.state.mode === "paused" ? "Go on" : "Pause");
    $("speed").value = nearest(1 / (speed || 1));
    $("record").setAttribute("aria-pressed", String(Boolean(recording)));
    put($("record").lastElementChild, recording ? bytes(recorded || 0) : "Record");
    $("download").hidden = recording || !recorded;
    if (own) {
      const others = browsers > 1 ? ` (${browsers} browsers)` : "";
      put($("page-sockets"), `this page itself: ${many(own.sockets, "socket")}${others}`);
    }
    document.title = `${mode === "paused" ? "❚❚ " : ""}${live.hello.program || "The loop"}`;
    paintOwn(own);
  },

  experiment() {
    const running = live.state.experiment;
    const told = running && (live.hello.experiments || []).find(experiment => experiment.id === running.id);
    $("experiment").hidden = !told;
    if (!told) return;
    put($("experiment-title"), `${told.id}. ${told.title}`);
    for (const tab of $("experiment-tabs").children) {
      tab.setAttribute("aria-pressed", String(tab.dataset.part === page.part));
    }
    put($("experiment-told"), told[page.part]);
    const lines = (running.note || "").split("\n");
    keyed($("experiment-note"), lines.map((line, place) => [line, place]), ([, place]) => place, () => make("span"),
          (node, [line]) => { put(node, line); flag(node, "command", line.startsWith("python3 ")); });
  },

  turn() {
    const frame = page.drawn = shown();
    $("back").hidden = look.turn === null || replaying();
    flag($("stages"), "asleep", frame && isAsleep(frame));
    flag(document.body, "looking", look.turn !== null && !replaying());
    put($("which"), frame ? `Turn ${count(frame.turn)}` : "No turn yet");
    put($("moment"), frame ? moment(frame.t) : "");
    if (!frame) return paintWords({words: [], more: 0});
    paintStages(frame);
    paintLists(frame);
    paintConnections(frame);
    paintWords(frame);
    change("now");
  },

  now() {
    put($("now"), nowInWords());
  },

  findings() {
    const found = live.findings;
    put($("findings-count"), found.length ? `(${found.length})` : "nothing is wrong so far");
    $("findings-scroll").hidden = !found.length;
    keyed($("findings"), [...found].reverse(), finding => `${finding.turn} ${finding.sentence}`, makeFinding,
          (node, finding) => flag(node, "old", found.indexOf(finding) < live.heeded));
  },

  track() {
    timeline.draw();
  },
};

function moment(time) {
  if (time < 0) return `begun ${seconds(-time)} before the recording`;
  return `at ${time.toFixed(3)} s${look.turn === null || replaying() ? "" : ", as it was then"}`;
}

function nearest(divisor) {
  return SPEEDS.reduce((best, one) => Math.abs(one - divisor) < Math.abs(best - divisor) ? one : best, 1);
}

const slowness = speed => speed < 1 ? `1/${Math.round(1 / speed)}` : "1";

function nowInWords() {
  const {mode} = live.state, {frame, counters} = live;
  if (replaying()) return "";
  if (page.stepped !== null) return "stepped: select sleeps until somebody is ready";
  if (mode === "paused") return "held: what select answers is kept back";
  if (!frame || !counters) return "";
  const isBehind = counters.turns > frame.turn + 1;
  if (isBehind) return counters.turns_per_second ? "" : "asleep in select, after turns that were not seen";
  const asleep = (performance.now() - live.arrived) / 1000;
  return asleep > 1 && !live.stuck ? `asleep in select, for ${Math.floor(asleep)} s` : "";
}

// -- the turn as a picture

/* A turn that has begun, and in which select has not answered yet. */
const isAsleep = frame => !frame.more && !frame.words.some(([, , kind]) => kind === "ready");

function paintStages(frame) {
  const whole = frame.slept + frame.awake, share = whole ? frame.slept / whole : 0;
  paintAsked(frame);
  if (isAsleep(frame)) return paintAsleep();
  put($("slept"), seconds(frame.slept));
  fill($("slept-bar"), frame.slept < INSTANT ? 0 : share);
  put($("slept-share"), frame.slept < INSTANT ? "no sleep at all" : `${percent(share)} of this turn`);
  const ready = [...frame.readable.map(who => [who, "read"]), ...frame.writable.map(who => [who, "write"])];
  put($("ready-count"), ready.length ? many(ready.length, "socket") : "nobody");
  keyed($("ready"), ready.length ? chips(ready) : [[nobodyBecause(frame.timeout), ""]], ([who, how]) => who + how, () => make("span"), (node, [who, how]) => {
    node.className = how && `chip ${how}`;
    put(node, how ? `${who} ${how === "read" ? "▼" : "▲"} ${how}` : who);
  });
  paintDone(frame);
}

function paintAsked(frame) {
  const asked = new Set([...frame.reading, ...frame.writing, ...frame.third].map(([who]) => who)).size;
  put($("asked"), many(asked, "socket"));
  const quick = frame.quick ? `, a quick look at ${frame.quick[0]} of ${frame.quick[1]}` : "";
  put($("patience"), `${frame.reading.length} to read, ${frame.writing.length} to write${quick}, ${patience(frame)}`);
  $("patience").title = $("patience").textContent;
}

/* It has begun, and its end is not known yet. */
function paintAsleep() {
  put($("slept"), "asleep");
  fill($("slept-bar"), 1);
  for (const id of ["slept-share", "took"]) put($(id), "");
  for (const id of ["ready-count", "done"]) put($(id), "not yet");
  keyed($("ready"), [], () => "", () => null, () => {});
}

/* For how long select may sleep, as the sentence about it says at its end. */
function patience(frame) {
  const asked = frame.words.find(([, , kind]) => kind === "turn");
  return asked ? asked[1].split("; ").pop() : "";
}

function nobodyBecause(timeout) {
  if (timeout === null) return "woken for something else";
  return timeout ? "the time was up" : "select was not to wait";
}

function chips(ready) {
  return ready.length > 2 ? [ready[0], [`and ${count(ready.length - 1)} more`, ""]] : ready;
}

function paintDone(frame) {
  const ran = frame.words.filter(([, , kind]) => kind === "ran").length;
  const letters = frame.column[4];
  put($("done"), lettersInWords(letters) || (ran ? many(ran, "callback") : "nothing"));
  flag($("done"), "much", $("done").textContent.length > 14);
  const more = frame.more ? "+" : "";
  put($("took"), `${count(ran)}${more} ${ran === 1 ? "callback" : "callbacks"}, ${seconds(frame.awake)}` +
    (frame.column[5] ? `: ${frame.column[5]}` : ""));
}

/* Each of the four stages lights up in its order, where there is time to see it. */
function play() {
  const {mode, speed} = live.state;
  if (still.matches || !(mode === "paused" || mode === "slow" && speed <= 1 / 500 || look.turn !== null)) return;
  const again = $("stages").classList.contains("play-a");
  flag($("stages"), "play-a", !again);
  flag($("stages"), "play-b", again);
}

// -- who is asked about

function paintLists(frame) {
  watched("reading", frame.reading, new Set(frame.readable));
  watched("writing", frame.writing, new Set(frame.writable));
  watched("third", frame.third, new Set());
  $("third-hint").hidden = frame.third.length > 0;
}

function watched(id, list, ready) {
  put($(`${id}-count`), list.length ? `(${list.length})` : "(nobody)");
  const readyFirst = ([a], [b]) => ready.has(b) - ready.has(a);
  const some = list.length <= MOST_LISTED ? list : [...list].sort(readyFirst).slice(0, MOST_LISTED);
  const rest = list.length - some.length, reasons = new Map();
  for (const [who, why] of some) reasons.set(why, [...reasons.get(why) || [], who]);
  if (rest) reasons.set(`and ${count(rest)} more`, []);
  keyed($(id), [...reasons], ([why]) => why, makeReason, (node, [, names]) =>
    keyed(node.lastChild, names, who => who, who => make("li", "", who), (chip, who) => {
      put(chip, ready.has(who) ? `${who} ●${ready.size > 2 ? "" : " ready"}` : who);
      flag(chip, "is-ready", ready.has(who));
    }));
}

function makeReason([why]) {
  const node = make("li");
  node.append(make("span", "reason", why), make("ul"));
  return node;
}

function pairs(parent, list) {
  keyed(parent, list.map((pair, place) => [...pair, place]), ([, , place]) => place, () => {
    const node = make("li");
    node.append(make("b"), make("span"));
    return node;
  }, (node, [who, why]) => { put(node.firstChild, who); put(node.lastChild, why); });
}

function paintOwn(own) {
  const on = Boolean(own && own.lines.length);
  $("show").setAttribute("aria-pressed", String(on));
  put($("show"), on ? "Hide them" : "Show them");
  $("own").hidden = !on;
  if (!on) return;
  put($("own-count"), `(${own.sockets})`);
  pairs($("own-list"), own.lines);
}

// -- connections

function paintConnections(frame) {
  const isStream = row => row.sort === "connection";
  const streams = frame.connections.filter(isStream);
  const rows = [...streams, ...frame.connections.filter(row => !isStream(row) && row.sort !== "listener")];
  const listeners = frame.connections.filter(row => row.sort === "listener");
  const did = lettersByName(frame.words), ports = new Map(listeners.map(row => [row.name, row.peer]));
  for (const row of rows) page.largest = Math.max(page.largest, row.kernel || 0, row.theirs || 0);
  put($("connections-count"), String(streams.length + frame.others || ""));
  keyed($("connections"), rows, row => row.name, makeRow, (node, row) => paintRow(node, row, did, ports));
  $("others").hidden = !frame.others;
  put($("others"), `and ${count(frame.others)} more`);
  paintNobody(streams, listeners, frame.reading.concat(frame.writing).map(([who]) => who).find(who => /^fd /.test(who)));
}

function paintNobody(streams, listeners, bare) {
  $("nobody").hidden = streams.length > 0;
  put($("nobody-is"), bare ? `${bare} is a bare socket: it has no row.` : "Nobody is connected.");
  $("invitation").hidden = look.turn !== null || Boolean(live.state.experiment);
  $("listeners").hidden = !listeners.length;
  if (listeners.length) {
    const [host, port] = listeners[0].peer.split(", ")[0].split(/:(?=\d+$)/);
    if (port) put($("nobody-command"), `python3 -m demos.talk ${host.replace(/[[\]]/g, "")} ${port}`);
    put($("listeners-count"), many(listeners.length, "listener"));
  }
  pairs($("listeners-list"), listeners.map(row => [row.name, row.peer]));
}

function lettersByName(words) {
  const found = new Map();
  for (const [who, what, kind] of words) {
    const letters = found.get(who) || "", letter = letterOf(kind, what) || "";
    found.set(who, letters.includes(letter) ? letters : letters + letter);
  }
  return found;
}

function makeRow(row) {
  const node = make("li", "row");
  const who = make("div", "who"), flow = make("div", "flow"), foot = make("div", "foot");
  node.parts = {
    did: make("span", "did"), peer: make("span", "peer"), badges: make("span", "badges"),
    counts: make("span", "counts"), queue: makePipe("queue", "your queue"), kernel: makePipe("kernel", "your kernel"),
    theirs: makePipe("theirs", "peer’s kernel")};
  const {did, peer, badges, counts, queue, kernel, theirs} = node.parts;
  who.append(make("span", "name", row.name), did, peer, badges);
  flow.append(queue, kernel, theirs);
  foot.append(counts, makeActs(node, row));
  node.append(who, flow, foot);
  return node;
}

function makeBadge(state) {
  return make("span", `badge ${/paused/.test(state) ? "held" : state === "lost" ? "bad" : ""}`, state);
}

function makePipe(name, label) {
  const pipe = make("div", `pipe ${name}`), tube = make("span", "tube"), size = make("span", "size");
  tube.append(make("i", "fill"));
  if (name === "queue") tube.append(make("i", "mark low"), make("i", "mark high"));
  pipe.append(tube, make("span", "unseen", label), size);
  return pipe;
}

function makeActs(node, row) {
  const acts = make("span", "acts"), rate = make("select");
  for (const [act, title] of [["close", "Close it in order: what is queued goes first"],
                              ["reset", "Reset it at once: what is queued is thrown away"]]) {
    const button = make("button", "", act);
    button.title = title;
    button.setAttribute("aria-label", `${act} ${row.name}`);
    button.onclick = () => control({do: act, who: row.name});
    acts.append(button);
  }
  rate.setAttribute("aria-label", `how fast ${row.name} is read`);
  rate.title = "How fast this program reads it";
  rate.append(new Option("read freely", ""), ...RATES.map(([number, words]) => new Option(`read ${words}`, number)));
  rate.onchange = () => control({do: "throttle", who: row.name, rate: rate.value ? Number(rate.value) : null});
  acts.append(rate);
  node.parts.rate = rate;
  node.parts.acts = acts;
  return acts;
}

function paintRow(node, row, did, ports) {
  const {parts} = node, stream = row.sort === "connection";
  flag(node, "in-turn", did.has(row.name));
  flag(node, "idle", !row.depth && !row.kernel && !row.theirs);
  flag(node, "single", !stream);
  keyed(parts.did, [...did.get(row.name) || ""], letter => letter, letter => makeLetter(letter), () => {});
  const via = ports.get(row.server);
  put(parts.peer, `${stream ? "" : row.sort + " "}${row.peer}${via ? ` at ${via.replace(/^.*:/, ":")}` : ""}`);
  parts.peer.title = parts.peer.textContent;
  keyed(parts.badges, row.states.filter(state => state !== "open"), state => state, makeBadge, () => {});
  paintQueue(parts.queue, row);
  paintPipe(parts.kernel, row.kernel, page.largest);
  paintPipe(parts.theirs, row.theirs, page.largest);
  const waits = row.arrived ? `${bytes(row.arrived)} wait · ` : "";
  put(parts.counts, `in ${orNone(row.received)} · ${waits}out ${orNone(row.sent)}`);
  parts.counts.title = row.sent === null ? "Not known: turns have gone by that nobody saw." : "";
  flag(parts.counts, "waits", row.arrived);
  parts.acts.hidden = !stream || replaying() || look.turn !== null;
  const rate = (live.state.throttled || {})[row.name];
  if (document.activeElement !== parts.rate) parts.rate.value = rate ? nearestRate(rate) : "";
}

const orNone = size => size === null ? "–" : bytes(size);

function nearestRate(rate) {
  return (RATES.find(([number]) => number <= rate) || RATES[RATES.length - 1])[0];
}

function makeLetter(letter) {
  const node = make("span", `letter ${letter === "@" ? "S" : letter}`, letter);
  node.title = LETTERS_AT_LENGTH[letter] || "";
  return node;
}

/* The queue is drawn against its own high-water mark, which stands at three quarters of the bar. */
function paintQueue(pipe, row) {
  const whole = Math.max(row.depth, row.high ? row.high * 4 / 3 : 65536);
  paintPipe(pipe, row.depth, whole);
  flag(pipe, "over", row.high !== null && row.depth > row.high);
  const [, low, high] = pipe.firstChild.children;
  for (const [mark, size] of [[low, row.low], [high, row.high]]) {
    mark.hidden = size === null;
    const left = `${Math.round(1000 * (size || 0) / whole) / 10}%`;
    if (mark.style.left !== left) mark.style.left = left;
  }
  pipe.title = row.high === null ? "" : `high-water mark ${bytes(row.high)}, low-water mark ${bytes(row.low)}`;
}

function paintPipe(pipe, size, whole) {
  flag(pipe, "unknown", size === null);
  fill(pipe.firstChild.firstChild, size ? Math.max(size / whole, 0.012) : 0);
  put(pipe.lastChild, size === null ? "not known" : bytes(size));
  flag(pipe.lastChild, "zero", !size);
}

// -- the turn in words

function paintWords(frame) {
  sentences($("sentences"), frame.words);
  $("more").hidden = !frame.more;
  put($("more"), `and ${many(frame.more, "sentence")} more`);
  const hurry = look.turn === null && isTooFast();
  $("hurry").hidden = !hurry;
  if (hurry) put($("hurry"), "Too fast to read. Space pauses it, 7 is slow motion.");
  const before = hurry || look.turn !== null ? [] : live.earlier.filter(one => one.turn < frame.turn);
  keyed($("earlier"), before, one => one.turn, makeEarlier, () => {});
}

function sentences(parent, words) {
  keyed(parent, words.map((word, place) => [...word, place]), ([, , , place]) => place, makeSentence, paintSentence);
}

function makeSentence() {
  const node = make("li");
  const text = make("span", "text");
  text.append(make("span"), make("span", "bytes"));
  node.append(make("span", "letter"), make("span", "name"), text);
  return node;
}

function paintSentence(node, [who, what, kind]) {
  const [mark, name, text] = node.children, letter = letterOf(kind, what);
  const className = letter ? `letter ${letter}` : STAGE_OF[kind] ? "letter s" : "letter none";
  if (mark.className !== className) mark.className = className;
  put(mark, letter || STAGE_OF[kind] || "·");
  put(name, STAGE_OF[kind] ? "" : who);
  const [, said, quoted] = /^(.*?)('.*'(?: \.\.\.)?)?$/s.exec(what);
  put(text.firstChild, said);
  put(text.lastChild, quoted || "");
  text.lastChild.hidden = !quoted;
  flag(node, "quiet", !letter);
  flag(node, "long", kind === "turn" || quoted && quoted.length > 80);
}

function makeEarlier(frame) {
  const node = make("li"), list = make("ol");
  sentences(list, frame.words.filter(([, , kind]) => LETTER_OF[kind]));
  node.append(make("h3", "", `before it, turn ${count(frame.turn)}`), list);
  return node;
}

function makeFinding(finding) {
  const node = make("li"), button = make("button", "", `${finding.malady}, turn ${count(finding.turn)}`);
  button.onclick = () => select(finding.turn);
  const [sentence, ...stack] = finding.sentence.split("\n");
  node.append(button, make("span", "", sentence));
  if (stack.length) node.append(make("pre", "", stack.join("\n")));
  if (finding.missing) node.append(make("code", "", finding.missing));
  return node;
}

const noteOf = state => state.experiment ? state.experiment.note : "";

/* For a screen reader: never more often than it can say it, unless the user asked for this very turn. */
function speak(text, atOnce = false) {
  page.next = text;
  const wait = atOnce ? 0 : page.silent - performance.now();
  clearTimeout(page.speaker);
  page.speaker = setTimeout(() => {
    page.silent = performance.now() + Math.max(BREATH, SPEECH * text.length);
    page.next = "";
    put($("spoken"), text);
  }, Math.max(wait, 0));
}

function speakTurn(frame, atOnce) {
  if (!atOnce && page.next && page.next === noteOf(live.state)) return;    // a note does not give way to one of many turns
  const said = frame.words.filter(([, , kind]) => LETTER_OF[kind]).slice(0, 6).map(([who, what]) => `${who} ${what}`);
  if (said.length || atOnce) speak(`Turn ${frame.turn}. ${said.join(". ") || "Nothing was done."}`, atOnce);
}

// -- the timeline: columns as long as there are, drawn as far as there is room

class Track {
  constructor() {
    this.columns = [];
  }

  add(columns) {
    const last = this.columns.length ? this.columns[this.columns.length - 1][0] : -1;
    this.columns.push(...columns.filter(([turn]) => turn > last));
    if (this.columns.length > MOST_COLUMNS) this.columns.splice(0, this.columns.length - MOST_COLUMNS);
  }

  /* The place of the last column whose turn is at most that one. */
  place(turn) {
    let low = 0, high = this.columns.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.columns[middle][0] <= turn) low = middle + 1;
      else high = middle;
    }
    return Math.max(low - 1, 0);
  }
}

const LABELS = 84, TOP = 4, SLEEP = 24, AXIS = 16, GAP = 30, PER_SECOND = 90, WIDEST = 400, EDGE = 4;

class Timeline {
  constructor() {
    this.live = new Track();
    this.replay = new Track();
    this.each = 14;     // px of one column
    this.right = null;  // the turn at the right edge; null: the newest
    this.hits = [];
    this.colours = null;
  }

  get track() {
    return replaying() ? this.replay : this.live;
  }

  width(column) {
    return column[4].includes("S") ? Math.max(this.each, Math.min(column[3] * PER_SECOND, WIDEST)) : this.each;
  }

  draw() {
    const canvas = $("canvas"), scale = devicePixelRatio || 1, {clientWidth: width, clientHeight: height} = canvas;
    if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale);
    if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale);
    const pen = canvas.getContext("2d");
    this.colours = this.colours || readColours();
    this.lane = (height - TOP - SLEEP - AXIS) / LANES.length;
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    this.drawLanes(pen, width, height);
    this.drawColumns(pen, width, height);
    this.describe();
  }

  /* How many turns nobody saw after the newest column; 0 where more will come in a moment. */
  behind() {
    const {columns} = this.track, {counters} = live;
    if (replaying() || isTooFast() || !counters || !columns.length) return 0;
    return Math.max(counters.turns - 1 - columns[columns.length - 1][0], 0);
  }

  /* The place of the column at the right edge. */
  newest() {
    return this.right === null ? this.track.columns.length - 1 : this.place(this.right);
  }

  laneTop(lane) {
    return TOP + SLEEP + lane * this.lane;
  }

  drawLanes(pen, width, height) {
    const {soft, band} = this.colours;
    pen.font = `12px ${this.colours.font}`;
    pen.textBaseline = "middle";
    LANES.forEach((letters, lane) => {
      pen.fillStyle = band;
      if (lane % 2 === 0) pen.fillRect(0, this.laneTop(lane), width, this.lane);
      pen.fillStyle = soft;
      pen.fillText(LANE_NAMES[lane], 2, this.laneTop(lane) + this.lane / 2 + 1);
    });
    pen.fillText("asleep", 2, TOP + SLEEP / 2);
    pen.fillText("turn", 2, height - AXIS / 2);
  }

  drawColumns(pen, width, height) {
    const {columns} = this.track;
    this.hits = [];
    let x = width - EDGE, labelled = width - 20;
    if (this.right === null && this.behind()) x = this.drawGap(pen, x, this.behind(), height);
    for (let place = this.newest(); place >= 0 && x > LABELS; place--) {
      const column = columns[place], wide = this.width(column);
      x -= wide;
      if (x < LABELS) break;
      this.hits.push([x, wide, place]);
      this.drawColumn(pen, column, x, wide);
      if (column[0] === (page.drawn || {}).turn) this.drawChosen(pen, x, wide, height);
      if (column[0] % 5 === 0 && x + 70 < labelled || place === columns.length - 1 && columns.length < 5) {
        pen.fillStyle = this.colours.soft;
        pen.font = `11px ${this.colours.font}`;
        pen.fillText(count(column[0]), x, height - AXIS / 2);
        labelled = x;
      }
      const unseen = place && !replaying() ? column[0] - columns[place - 1][0] - 1 : 0;
      if (unseen) x = this.drawGap(pen, x, unseen, height);
    }
  }

  drawColumn(pen, column, x, wide) {
    const [, , slept, , letters, note] = column, {colours} = this, thick = Math.max(wide - 1.5, 1);
    const tall = Math.min(Math.max((Math.log10(slept || 1e-9) + 5) / 6, 0), 1) * (SLEEP - 3);
    pen.fillStyle = colours.sleep;
    pen.fillRect(x, TOP + SLEEP - tall - 1, Math.min(thick, this.each - 1.5), tall + 1);
    pen.font = `700 11px ${colours.font}`;
    pen.textAlign = "center";
    for (const letter of letters) {
      const lane = LANES.findIndex(members => members.includes(letter)), top = this.laneTop(lane) + 1;
      const across = lane === 5 ? thick : Math.min(thick, this.each - 1.5);
      pen.fillStyle = colours[letter];
      pen.fillRect(x, top, across, this.lane - 2);
      if (lane === 5) this.hatch(pen, x, top, across, this.lane - 2);
      if (this.each >= 10 && across < 40) {
        pen.fillStyle = colours.ground;
        pen.fillText(letter, x + across / 2, top + this.lane / 2 - 0.5);
      }
    }
    pen.textAlign = "left";
    if (letters.includes("S")) this.drawNote(pen, note, x, thick);
  }

  hatch(pen, x, top, wide, tall) {
    pen.save();
    pen.beginPath();
    pen.rect(x, top, wide, tall);
    pen.clip();
    pen.strokeStyle = this.colours.ground;
    pen.globalAlpha = 0.5;
    pen.beginPath();
    for (let start = x - tall; start < x + wide; start += 5) {
      pen.moveTo(start, top + tall);
      pen.lineTo(start + tall, top);
    }
    pen.stroke();
    pen.restore();
  }

  drawNote(pen, note, x, wide) {
    pen.font = `650 12px ${this.colours.font}`;
    pen.fillStyle = this.colours.S;
    if (wide > 60) pen.fillText(note, x + 2, this.laneTop(4) + this.lane / 2, wide - 4);
  }

  drawChosen(pen, x, wide, height) {
    pen.strokeStyle = pen.fillStyle = this.colours.ink;
    pen.lineWidth = 2;
    pen.strokeRect(x - 1.5, TOP - 2, wide + 1, height - AXIS - TOP + 2);
    pen.lineWidth = 1;
  }

  drawGap(pen, x, unseen, height) {
    const left = x - GAP, {colours} = this;
    pen.strokeStyle = colours.soft;
    pen.setLineDash([2, 3]);
    pen.strokeRect(left + 4.5, TOP + 2.5, GAP - 9, height - AXIS - TOP - 5);
    pen.setLineDash([]);
    pen.save();
    pen.translate(left + GAP / 2, TOP + (height - AXIS - TOP) / 2);
    pen.rotate(-Math.PI / 2);
    pen.textAlign = "center";
    pen.font = `12px ${colours.font}`;
    pen.fillStyle = colours.soft;
    pen.fillText(`${count(unseen)} not seen`, 0, 0);
    pen.restore();
    return left;
  }

  describe() {
    const {columns} = this.track, chosen = page.drawn, track = $("track");
    if (!columns.length || !chosen) return;
    const column = columns[this.place(chosen.turn)];
    const words = `turn ${count(column[0])}: slept ${seconds(column[2])}, awake ${seconds(column[3])}` +
      `${column[4] ? ", " + lettersInWords(column[4]) : ""}${column[5] ? " · " + column[5] : ""}`;
    put($("legend"), look.turn === null ? "One column is one turn. Drag, or use the arrow keys." : words);
    const said = {"aria-valuemin": columns[0][0], "aria-valuemax": columns[columns.length - 1][0],
                  "aria-valuenow": column[0], "aria-valuetext": words};
    if (look.turn !== null || !track.hasAttribute("aria-valuetext")) {
      for (const name in said) track.setAttribute(name, said[name]);
    }
  }

  place(turn) {
    return this.track.place(turn);
  }

  /* The turn at a place of the screen, the outermost one where it is outside. */
  at(x) {
    if (!this.hits.length) return null;
    const hit = this.hits.find(([left]) => x >= left) || this.hits[this.hits.length - 1];
    return this.track.columns[hit[2]][0];
  }

  /* Move the window so that the turn is in it, and no room is left where there are more turns. */
  reveal(turn) {
    const {columns} = this.track, last = columns.length - 1, place = this.place(turn);
    const room = Math.max(Math.floor(($("canvas").clientWidth - LABELS - EDGE) / this.each) - 1, 1);
    const right = this.newest();
    if (place < right - room + 3 || place > right) {
      const wanted = Math.min(Math.max(place + (room >> 1), room), last);
      this.right = wanted === last && !replaying() ? null : columns[wanted][0];
    }
  }

  zoom(factor) {
    this.each = Math.min(Math.max(Math.round(this.each * factor), 2), 40);
    change("track");
  }
}

function readColours() {
  const style = getComputedStyle(document.documentElement), read = name => style.getPropertyValue(`--${name}`).trim();
  const colours = {font: getComputedStyle(document.body).fontFamily};
  for (const name of ["ink", "soft", "band", "ground", "sleep"]) colours[name] = read(name);
  const names = {r: "green", w: "blue", e: "amber", a: "violet", c: "violet", x: "red", S: "red", "@": "red"};
  for (const letter in names) colours[letter] = read(names[letter]);
  return colours;
}

const timeline = new Timeline();

// -- looking at one turn

async function ask(address, options) {
  if (live.gone) throw new Error("The program does not answer.");
  const answer = await fetch(address, options);
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(body.error || `The program answered ${answer.status}.`);
  return body;
}

async function attempt(doing) {
  try {
    return await doing();
  } catch (error) {
    tell(error instanceof TypeError ? "The program does not answer." : error.message);
    return null;
  }
}

/* Show that turn.  While one is fetched, only the last of those wanted meanwhile is remembered. */
async function select(turn) {
  page.wanted = turn;
  if (page.fetching) return;
  page.fetching = true;
  while (page.wanted !== null) {
    const wanted = page.wanted;
    page.wanted = null;
    await attempt(() => fetchTurn(wanted));
  }
  page.fetching = false;
}

async function fetchTurn(turn) {
  if (replaying()) await cover(turn);
  const frame = await ask(`${replaying() ? "replay/" : ""}turn/${turn}`);
  Object.assign(look, {turn: frame.turn, frame});
  if (timeline.track.columns.length) timeline.reveal(frame.turn);
  speakTurn(frame, true);
  play();
  change("turn", "track", "replay");
}

function back() {
  if (replaying()) return;
  Object.assign(look, {turn: null, frame: null});
  timeline.right = null;
  $("track").removeAttribute("aria-valuetext");
  change("turn", "track");
}

/* So many turns on, or back; beyond the newest is now. */
function move(by) {
  const {columns} = timeline.track, chosen = shown();
  if (!columns.length || !chosen) return;
  const from = page.wanted === null || page.wanted === undefined ? chosen.turn : page.wanted;
  const place = timeline.place(from) + by;
  if (place >= columns.length && !replaying()) return back();
  select(columns[Math.min(Math.max(place, 0), columns.length - 1)][0]);
}

function toEnd(newest) {
  const {replay} = live.state, {columns} = timeline.track;
  if (replay) return select(newest ? replay.last : replay.first);
  if (newest) return back();
  if (columns.length) select(columns[0][0]);
}

// -- a recording in the place of the loop

const CHUNK = 400, MARGIN = 30;

/* Have the columns around a turn of the recording. */
async function cover(turn) {
  const {replay} = live.state, {columns} = timeline.replay;
  const near = columns.length && timeline.replay.place(turn);
  const enough = columns.length && (columns[0][0] <= replay.first || near > MARGIN && columns[0][0] <= turn) &&
    (columns[columns.length - 1][0] >= replay.last || near < columns.length - MARGIN);
  if (enough) return;
  const from = Math.max(turn - CHUNK / 2, replay.first);
  const found = await ask(`replay/columns?from=${from}&count=${CHUNK}`);
  timeline.replay = new Track();
  timeline.replay.add(found.columns);
}

function replayChanged(before, now) {
  if ((before || {}).name === (now || {}).name && Boolean(before) === Boolean(now)) return;
  Object.assign(look, {turn: null, frame: null});
  timeline.replay = new Track();
  timeline.right = null;
  stopPlaying();
  change("turn", "track", "replay");
  if (now) select(now.first);
}

PAINT.replay = function () {
  const {replay} = live.state;
  $("replay").hidden = !replay;
  for (const id of ["pause", "step", "speed", "record"]) $(id).disabled = Boolean(replay);
  if (!replay) return;
  put($("replay-name"), replay.name);
  put($("replay-size"), `a recording of ${many(replay.turns, "turn")}; the loop goes on unseen`);
  const value = look.turn === null ? replay.first : look.turn;
  Object.assign($("replay-turn"), {min: replay.first, max: replay.last, value});
  put($("replay-play"), page.playing ? "Stop" : "Play");
};

function togglePlaying() {
  if (page.playing) return stopPlaying();
  page.playing = setInterval(() => {
    if (look.turn !== null && look.turn >= live.state.replay.last) stopPlaying();
    else if (!page.fetching) move(1);
  }, 250);
  change("replay");
}

function stopPlaying() {
  clearInterval(page.playing);
  page.playing = 0;
  change("replay");
}

async function open(file) {
  if (!file) return;
  if (!file.size || file.size > MOST_BYTES) return tell(`${file.name} is ${file.size ? "too large" : "empty"}.`);
  tell(`Opening ${file.name} …`);
  const opened = await attempt(() => ask(`open?name=${encodeURIComponent(file.name)}`, {method: "POST", body: file}));
  if (opened) tell(`${file.name}: ${many(opened.turns, "turn")}.`);
}

// -- what the user wants

function control(wish) {
  const headers = {"Content-Type": "application/json"};
  return attempt(() => ask("control", {method: "POST", headers, body: JSON.stringify(wish)}));
}

function tell(text) {
  put($("said"), text);
  clearTimeout(page.teller);
  page.teller = setTimeout(() => put($("said"), ""), 5000);
}

function togglePause() {
  if (replaying()) return togglePlaying();
  const {mode, speed} = live.state;
  page.stepped = null;
  if (mode !== "paused") control({do: "pause"});
  else if (speed < 1) setSpeed(1 / speed);
  else control({do: "resume"});
}

async function step() {
  if (replaying()) return move(1);
  if (look.turn !== null) back();
  const before = live.frame ? live.frame.turn : -1;
  await control({do: "step"});
  setTimeout(() => {
    if (live.frame && live.frame.turn === before && live.state.mode === "paused") {
      page.stepped = before;
      change("now");
    }
  }, 400);
}

function setSpeed(divisor) {
  if (!replaying()) control({do: "speed", factor: 1 / divisor});
}

function toggleRecord() {
  if (!replaying()) control({do: "record", on: !live.state.recording});
}

async function toggleOwn() {
  const on = $("own").hidden;
  await control({do: "show", on});
  if (on) setTimeout(() => $("own").scrollIntoView({block: "nearest"}), 100);
}

function toggleTheme() {
  useTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
  keep("theme", document.documentElement.dataset.theme);
}

function useTheme(theme) {
  document.documentElement.dataset.theme = theme;
  timeline.colours = null;
  change("track");
}

/* Where a browser keeps nothing for pages, nothing is kept. */
function keep(name, value) {
  try {
    if (value === undefined) return localStorage.getItem(name);
    localStorage.setItem(name, value);
  } catch (refused) {
    return null;
  }
  return value;
}

function nextConnection(by) {
  const rows = [...$("connections").querySelectorAll(".row")];
  if (!rows.length) return;
  const place = rows.indexOf(document.activeElement.closest(".row"));
  const row = rows[place < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(Math.max(place + by, 0), rows.length - 1)];
  row.tabIndex = -1;
  row.focus();
}

// -- the heartbeat: where it stops, the loop is stuck, and this page can say so because it is not the loop

function watch() {
  const silence = performance.now() - live.beat, alarm = $("alarm");
  if (live.gone || !live.beat) return;
  if (silence > SILENCE) {
    if (!live.stuck) speak("The loop does not turn: something blocks it.", true);
    live.stuck = silence;
    alarm.hidden = false;
    flag(alarm, "over", false);
    put(alarm, `The loop has not turned for ${(silence / 1000).toFixed(1)} s. ` +
      "This page is served by that loop: that is what blocking means.");
  } else if (isStuck()) {
    flag(alarm, "over", true);
    alarmEnds();
  }
  change("now", "controls");
}

function alarmEnds() {
  const long = (live.stuck / 1000).toFixed(1);
  put($("alarm"), `It turns again, after ${long} s. In the wide turn below: ${live.culprit || "it was stuck"}`);
  speak($("alarm").textContent, true);
  clearTimeout(page.alarm);
  page.alarm = setTimeout(() => {
    if (!$("alarm").classList.contains("over")) return;
    $("alarm").hidden = true;
    live.stuck = 0;
  }, 6000);
}

function gone(forGood) {
  live.gone = true;
  const alarm = $("alarm");
  alarm.hidden = false;
  flag(alarm, "over", false);
  put(alarm, forGood ? "This is not the page of a program that runs. Open the address that the program prints."
                     : "The program does not answer: it has ended, or it is being started again.");
  change("controls");
}

// -- what the loop tells

const MODES = {paused: "Paused.", running: "Running.", slow: "Slow motion."};

const HEAR = {
  hello(told) {
    Object.assign(live, {hello: told, frame: null, counters: null, unseen: 0, findings: [], heeded: 0, earlier: [], gone: false,
                         stuck: 0, beat: performance.now()});
    timeline.live = new Track();
    page.retry = RETRY;
    $("alarm").hidden = true;
    keyed($("experiments"), told.experiments || [], one => one.id, makeExperiment, () => {});
    if (!replaying()) back();
    change("figures", "controls", "turn", "findings", "track");
  },

  frame(frame) {
    const before = live.frame, isNew = !before || before.turn !== frame.turn;
    live.frame = frame;
    if (isNew) {
      if (before && before.words.some(([, , kind]) => LETTER_OF[kind])) {
        live.earlier = [before, ...live.earlier].slice(0, MOST_EARLIER);
      }
      live.arrived = performance.now();
      page.stepped = null;
    }
    change("figures");
    if (look.turn !== null || replaying()) return;
    if (isNew) {
      if (live.state.mode === "paused") speakTurn(frame, true);
      else if (document.activeElement === $("words")) speakTurn(frame, false);
      play();
    }
    calmly("turn", isTooFast() ? 250 : 0);
    calmly("track", still.matches ? 500 : 0);
  },

  columns(told) {
    timeline.live.add(told.columns);
    live.unseen += told.unseen;
    const slow = told.columns.filter(column => column[4].includes("S")).pop();
    live.culprit = slow ? slow[5] : live.culprit;
    if (!replaying()) calmly("track", still.matches ? 500 : 0);
  },

  state(state) {
    const before = live.state;
    live.state = state;
    const isOther = before.mode !== state.mode, note = noteOf(before) === noteOf(state) ? "" : noteOf(state);
    if (isOther || note) speak([isOther && MODES[state.mode], note].filter(Boolean).join(" "), isOther);
    replayChanged(before.replay, state.replay);
    if ((before.experiment || {}).id !== (state.experiment || {}).id) {
      if (state.experiment && "experiment" in before) live.heeded = live.findings.length;
      change("turn", "findings");
    }
    change("controls", "experiment", "figures", "now");
  },

  counters(counters) {
    const wasTooFast = isTooFast();
    live.counters = counters;
    if (isTooFast() !== wasTooFast) change("turn", "track");
    change("figures", "now");
  },

  finding(finding) {
    live.findings.push(finding);
    change("findings");
  },

  heartbeat() {
    live.beat = performance.now();
  },
};

function listen() {
  const source = new EventSource("events");
  for (const name in HEAR) source.addEventListener(name, event => HEAR[name](JSON.parse(event.data)));
  source.onerror = () => {
    const forGood = source.readyState === EventSource.CLOSED;
    source.close();
    gone(forGood);
    if (!forGood) listenAgain();
  };
}

/* Ever more seldom, since each time that nobody is there is a line in the console; at once where somebody comes to look. */
function listenAgain() {
  const again = () => {
    clearTimeout(timer);
    removeEventListener("focus", again);
    listen();
  };
  const timer = setTimeout(again, page.retry);
  addEventListener("focus", again);
  page.retry = Math.min(2 * page.retry, MOST_RETRY);
}

// -- buttons and keys

function makeExperiment(experiment) {
  const node = make("li"), button = make("button");
  button.append(make("span", "number", String(experiment.id)), make("b", "", experiment.title),
                make("span", "text", experiment.do));
  button.onclick = () => {
    $("experiments-dialog").close();
    begin(experiment.id);
  };
  node.append(button);
  return node;
}

async function begin(id) {
  page.part = "look";
  if (replaying()) await control({do: "close replay"});
  else back();
  control({do: "experiment", id});
}

function showDialog(id) {
  if (!$(id).open) $(id).showModal();
}

const KEYS = {
  " ": togglePause, s: step, r: toggleRecord, t: toggleTheme, y: toggleOwn,
  d: () => $("download").hidden ? tell("Nothing is recorded yet: R records.") : $("download").click(),
  o: () => $("file").click(),
  e: () => showDialog("experiments-dialog"), E: () => live.state.experiment && control({do: "end experiment"}),
  "?": () => showDialog("help-dialog"), Escape: back,
  ArrowLeft: () => move(-1), ArrowRight: () => move(1), PageUp: () => move(-20), PageDown: () => move(20),
  Home: () => toEnd(false), End: () => toEnd(true),
  "+": () => timeline.zoom(1.4), "=": () => timeline.zoom(1.4), "-": () => timeline.zoom(1 / 1.4),
  j: () => nextConnection(1), k: () => nextConnection(-1),
  w: () => $("words").focus(), f: () => $("findings-scroll").focus(),
};
SPEEDS.forEach((speed, place) => { KEYS[place + 1] = () => setSpeed(speed); });

/* A key means what it means to the control that has the focus, where that control knows it. */
function taken(event) {
  const at = event.target;
  if (event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return true;
  if (at.matches("select, input[type=range]")) return !["?", "Escape"].includes(event.key);
  if (at.matches("button, a, summary")) return event.key === " " || event.key === "Enter";
  return at.matches(".scroll") && ["PageUp", "PageDown", "Home", "End"].includes(event.key);
}

function onKey(event) {
  const key = event.key.length === 1 && event.key !== "E" ? event.key.toLowerCase() : event.key;
  if (taken(event) || !KEYS[key]) return;
  event.preventDefault();
  KEYS[key]();
}

/* Who clicked goes on with the keys: Space then pauses, and does not press the same button again. */
function onClick(event) {
  if (event.detail && event.target.closest("button")) event.target.closest("button").blur();
}

function scrub(event) {
  const turn = timeline.at(event.offsetX);
  if (turn !== null && turn !== page.scrubbed) select(page.scrubbed = turn);
}

function wireTimeline() {
  const track = $("track");
  track.onpointerdown = event => { track.setPointerCapture(event.pointerId); page.scrubbed = null; scrub(event); };
  track.onpointermove = event => { if (event.buttons) scrub(event); };
  track.addEventListener("wheel", event => {
    event.preventDefault();
    if (event.ctrlKey) timeline.zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2);
    else move(Math.sign(event.deltaY || event.deltaX) * 3);
  }, {passive: false});
  new ResizeObserver(() => change("track")).observe(track);
}

function wireFiles() {
  $("file").onchange = () => { open($("file").files[0]); $("file").value = ""; };
  const drop = $("drop");
  addEventListener("dragover", event => { event.preventDefault(); drop.hidden = false; });
  addEventListener("dragleave", event => { if (!event.relatedTarget) drop.hidden = true; });
  addEventListener("drop", event => {
    event.preventDefault();
    drop.hidden = true;
    open(event.dataTransfer.files[0]);
  });
}

function wire() {
  const clicks = {
    pause: togglePause, step, record: toggleRecord, theme: toggleTheme, show: toggleOwn, back,
    menu: KEYS.e, "nobody-menu": KEYS.e, help: KEYS["?"], "nobody-help": KEYS["?"], open: KEYS.o, thinner: KEYS["-"], wider: KEYS["+"],
    "experiment-end": KEYS.E, "replay-play": togglePlaying, "replay-close": () => control({do: "close replay"})};
  for (const id in clicks) $(id).onclick = () => clicks[id]();
  for (const speed of SPEEDS) {
    const words = speed === 1 ? "full speed" : `1/${speed}`;
    $("speed").append(new Option(words, speed));
  }
  $("experiment-tabs").onclick = event => {
    page.part = event.target.dataset.part || page.part;
    change("experiment");
  };
  $("speed").onchange = () => setSpeed(Number($("speed").value));
  $("replay-turn").oninput = () => select(Number($("replay-turn").value));
  for (const letter in LETTERS) {
    const term = make("dt");
    term.append(makeLetter(letter));
    $("letters").append(term, make("dd", "", LETTERS_AT_LENGTH[letter]));
  }
  addEventListener("keydown", onKey);
  addEventListener("click", onClick);
  wireTimeline();
  wireFiles();
  const dark = matchMedia("(prefers-color-scheme: dark)");
  useTheme(keep("theme") || (dark.matches ? "dark" : "light"));
  dark.addEventListener("change", () => keep("theme") || useTheme(dark.matches ? "dark" : "light"));
  setInterval(watch, 100);
}

wire();
listen();
