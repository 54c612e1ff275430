// graphile-worker. "fast": a local queue of 500 jobs, and jobs completed in batches, as its documentation describes.
'use strict';
const { run: serve, makeWorkerUtils, Logger } = require('graphile-worker');
const { url, concurrency, mode, run, bulk, drain, tell } = require('./driver.cjs');

const fast = { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };

async function main() {
  const logger = new Logger(() => () => {});
  const utils = await makeWorkerUtils({ connectionString: url, logger });
  await utils.migrate();
  const add = await bulk((batch) => utils.addJobs(batch.map((payload) => ({ identifier: 'note', payload }))));
  const worker = { connectionString: url, concurrentJobs: concurrency, maxPoolSize: 10, ...(mode === 'fast' ? fast : {}) };
  const start = () => serve({ preset: { worker }, logger, noHandleSignals: true, taskList: { note: async (args) => run(args) } });
  const drained = await drain(start, (runner) => runner.stop());
  tell(add, drained);
  await utils.release();
  process.exit(0);
}

main().catch((error) => { console.error(error); process.exit(1); });
