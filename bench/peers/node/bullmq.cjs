// BullMQ, with the settings its documentation recommends for production: finished jobs are kept for an hour, 1,000 at most.
'use strict';
const { Queue, Worker } = require('bullmq');
const Redis = require('ioredis');
const { url, concurrency, run, bulk, drain, tell } = require('./driver.cjs');

async function main() {
  const connection = () => new Redis(url, { maxRetriesPerRequest: null });
  const kept = { removeOnComplete: { age: 3600, count: 1000 }, removeOnFail: { age: 24 * 3600 } };
  const queue = new Queue('note', { connection: connection(), defaultJobOptions: kept });
  await queue.waitUntilReady();
  const add = await bulk((batch) => queue.addBulk(batch.map((data) => ({ name: 'note', data }))));
  const start = () => new Worker('note', async (job) => run(job.data), { connection: connection(), concurrency });
  const drained = await drain(start, (worker) => worker.close());
  tell(add, drained);
  await queue.close();
  process.exit(0);
}

main().catch((error) => { console.error(error); process.exit(1); });
