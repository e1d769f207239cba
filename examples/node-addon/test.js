'use strict';
// node test.js ADDON: what the addon promises, in Node's own loop.

const assert = require('node:assert');
const net = require('node:net');
const path = require('node:path');
const { spawnSync } = require('node:child_process');
const { Worker, isMainThread } = require('node:worker_threads');

const addon = path.resolve(process.argv[2]);
const sheaf = require(addon);

const listening = (server) =>
  new Promise((done) => server.listen(0, '127.0.0.1', () => done(server.address().port)));
const closed = (server) => new Promise((done) => server.close(done));
const quiet = (promise) => (promise.catch(() => {}), promise);

async function freePort() {
  const server = net.createServer();
  const port = await listening(server);
  await closed(server);
  return port;
}

const tests = {
  "the libuv it runs on is Node's own"() {
    const uv = sheaf.uv();
    assert.strictEqual(uv.version, process.versions.uv);
    assert.strictEqual(uv.compiled, process.versions.uv);
    const shared = process.config.variables.node_shared_libuv;
    assert.strictEqual(/libuv/.test(uv.file), Boolean(shared));
  },

  async 'sleep resolves, and not too early'() {
    const before = process.hrtime.bigint();
    assert.strictEqual(await sheaf.sleep(20), undefined);
    assert.ok(process.hrtime.bigint() - before >= 20_000_000n);
  },

  async "Node's timers and immediates go on beside it"() {
    const log = [];
    setTimeout(() => log.push('timeout'), 5);
    setImmediate(() => log.push('immediate'));
    await sheaf.sleep(25);
    assert.deepStrictEqual(log, ['immediate', 'timeout']);
  },

  async 'what awaits a promise runs before the next callback of libuv'() {
    const log = [];
    const first = sheaf.sleep(5).then(() => log.push('awaited'));
    process.nextTick(() => log.push('tick'));
    await first;
    assert.deepStrictEqual(log, ['tick', 'awaited']);
  },

  async 'fetch reads from a server of Node itself'() {
    const server = net.createServer((peer) => peer.once('data', (d) => peer.end(`<${d}>`)));
    const port = await listening(server);
    assert.strictEqual(await sheaf.fetch('127.0.0.1', port, { send: 'hello' }), '<hello>');
    await closed(server);
  },

  async 'gather gives all values in order: tasks, promises and plain values'() {
    const server = net.createServer((peer) => peer.end('page'));
    const port = await listening(server);
    const later = new Promise((done) => setTimeout(done, 5, { any: 'object' }));
    const all = await sheaf.gather([
      sheaf.fetch('127.0.0.1', port), sheaf.sleep(10), later, 7, sheaf.gather([]),
    ]);
    assert.deepStrictEqual(all, ['page', undefined, { any: 'object' }, 7, []]);
    await closed(server);
  },

  async 'a thousand at once'() {
    const all = await sheaf.gather(Array.from({ length: 1000 }, (_, i) => sheaf.sleep(i % 10)));
    assert.strictEqual(all.length, 1000);
    assert.strictEqual(sheaf.tasks(), 0);
  },

  async "an error of the system rejects with libuv's code"() {
    const refused = sheaf.fetch('127.0.0.1', await freePort());
    await assert.rejects(refused, { code: 'ECONNREFUSED' });
  },

  async 'the first failure of a gather cancels its siblings and waits for them'() {
    const slow = quiet(sheaf.sleep(1e6));
    const all = sheaf.gather([slow, sheaf.fetch('127.0.0.1', await freePort())]);
    await assert.rejects(all, { code: 'ECONNREFUSED' });
    assert.strictEqual(sheaf.tasks(), 0);
    await assert.rejects(slow, { name: 'AbortError', code: 'ABORT_ERR' });
  },

  async 'a rejected promise of JavaScript fails a gather with that very error'() {
    const why = new RangeError('mine');
    const all = sheaf.gather([quiet(sheaf.sleep(1e6)), Promise.reject(why)]);
    await assert.rejects(all, (e) => e === why);
    assert.strictEqual(sheaf.tasks(), 0);
  },

  async 'an AbortSignal cancels, and the promise rejects with its reason'() {
    const abort = new AbortController();
    const why = new Error('enough');
    const slept = quiet(sheaf.sleep(1e6, { signal: abort.signal }));
    await sheaf.sleep(1);
    abort.abort(why);
    await assert.rejects(slept, (e) => e === why);
    assert.strictEqual(sheaf.tasks(), 0);
  },

  async 'a signal that has fired already lets nothing begin'() {
    await assert.rejects(sheaf.sleep(0, { signal: AbortSignal.abort() }), { name: 'AbortError' });
  },

  async 'AbortSignal.timeout is a time limit'() {
    const signal = AbortSignal.timeout(10);
    await assert.rejects(sheaf.gather([sheaf.sleep(1e6)], { signal }), { name: 'TimeoutError' });
  },

  async 'aborting ends a connection that waits'() {
    let server;
    const ended = new Promise((done) => {
      server = net.createServer((peer) => peer.on('close', done).resume());
    });
    const port = await listening(server);
    const abort = new AbortController();
    const page = quiet(sheaf.fetch('127.0.0.1', port, { signal: abort.signal }));
    await sheaf.sleep(10);
    abort.abort();
    await assert.rejects(page, { name: 'AbortError' });
    await ended;
    await closed(server);
  },

  async 'a signal that fires afterwards changes nothing, and is not held'() {
    const abort = new AbortController();
    await sheaf.sleep(1, { signal: abort.signal });
    abort.abort();
    assert.strictEqual(sheaf.tasks(), 0);
  },

  'wrong arguments throw'() {
    assert.throws(() => sheaf.sleep('soon'));
    assert.throws(() => sheaf.fetch('127.0.0.1', 1e6), TypeError);
    assert.throws(() => sheaf.gather(7));
  },

  async 'a worker has a loop of its own, and may end while tasks are alive'() {
    const body = `
      const { workerData, parentPort } = require('node:worker_threads');
      const sheaf = require(workerData);
      const server = require('node:net').createServer().listen(0, '127.0.0.1', async () => {
        sheaf.fetch('127.0.0.1', server.address().port).catch(() => {});
        sheaf.gather([sheaf.sleep(1e6), new Promise(() => {})]).catch(() => {});
        await sheaf.sleep(5);
        parentPort.postMessage(sheaf.tasks());
      });`;
    for (let i = 0; i < 5; ++i) {
      const worker = new Worker(body, { eval: true, workerData: addon });
      const alive = await new Promise((done, fail) => worker.on('message', done).on('error', fail));
      assert.strictEqual(alive, 3);
      assert.strictEqual(await worker.terminate(), 1);
    }
    assert.strictEqual(sheaf.tasks(), 0);
  },

  'a process may end while tasks are alive, by itself or by exit()'() {
    const run = (code) =>
      spawnSync(process.execPath, ['-e', `const sheaf = require(${JSON.stringify(addon)});${code}`],
        { encoding: 'utf8' });
    const never = run("sheaf.gather([new Promise(() => {})]).catch(() => {}); console.log('end')");
    assert.deepStrictEqual([never.status, never.stdout, never.stderr], [0, 'end\n', '']);
    const exits = run('sheaf.sleep(1e6); sheaf.sleep(1).then(() => process.exit(3));');
    assert.deepStrictEqual([exits.status, exits.stderr], [3, '']);
    const unheard = run("sheaf.sleep(1e6, { signal: AbortSignal.abort(new Error('mine')) })");
    assert.strictEqual(unheard.status, 1);
    assert.match(unheard.stderr, /mine/);
  },
};

async function main() {
  assert.ok(isMainThread);
  for (const [name, test] of Object.entries(tests)) {
    try {
      await test();
      console.log(`ok: ${name}`);
    } catch (e) {
      console.log(`FAILED: ${name}`);
      throw e;
    }
  }
}

// A promise that never resolves would end the process in silence.
process.exitCode = 1;
main().then(() => (process.exitCode = 0));
