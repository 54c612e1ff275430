// What the drivers of this folder have in common: the payload, the counting, and the one line they print.
//
// Arguments: URL, how many tasks, how many at once, and whether in the peer's fastest mode ("usual" or "fast").
'use strict';

const [url, count, concurrency, mode] = [process.argv[2], ...process.argv.slice(3, 5).map(Number), process.argv[5]];
const BATCH = 1000;
const runs = new Uint32Array(count);
let seen = 0;
let finish;
const finished = new Promise((resolve) => { finish = resolve; });

const payload = (place) => ({ track_id: 1000000 + place, audio_url: 'https://audio.example/track/12345.mp3' });

function run(args) {
  const place = args.track_id - 1000000;
  runs[place] += 1;
  if (runs[place] === 1) {
    seen += 1;
    if (seen === count) finish(performance.now());
  }
}

async function bulk(add) {
  const start = performance.now();
  for (let from = 0; from < count; from += BATCH) {
    await add(Array.from({ length: Math.min(BATCH, count - from) }, (_, n) => payload(from + n)));
  }
  return (count * 1000) / (performance.now() - start);
}

// From the worker's start to the last run; the worker is then closed, so that its last acks are sent.
async function drain(start, close) {
  const began = performance.now();
  const worker = await start();
  const ended = await finished;
  await close(worker);
  return (count * 1000) / (ended - began);
}

function tell(add, drained) {
  const lost = runs.reduce((lost, n) => lost + (n === 0 ? 1 : 0), 0);
  const duplicates = runs.reduce((more, n) => more + Math.max(0, n - 1), 0);
  console.log(JSON.stringify({ add, drain: drained, lost, duplicates }));
}

module.exports = { url, concurrency, mode, run, bulk, drain, tell };
