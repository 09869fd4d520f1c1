// Starts the real program for the tests: built once, on a directory of its own,
// stopped cleanly. What is asked of it belongs in the tests.
import { execFile, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { access, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const run = promisify(execFile);

// until asks until the answer is true and gives up after a minute.
export async function until(what, yes, limit = 60_000) {
  const end = Date.now() + limit;
  while (!(await yes())) {
    if (Date.now() > end) throw new Error(`waited ${limit} ms until ${what}`);
    await new Promise((next) => setTimeout(next, 20));
  }
}

export class Server {
  static async start(...flags) {
    const s = new Server();
    s.dir = await mkdtemp(join(tmpdir(), 'slipway-js-'));
    s.bin = process.env.SLIPWAY_BIN && resolve(process.env.SLIPWAY_BIN);
    if (!s.bin) {
      s.bin = join(s.dir, 'slipway');
      await run('go', ['build', '-o', s.bin, './cmd/slipway'], { cwd: root });
    }
    s.env = Object.fromEntries(Object.entries(process.env).filter(([k]) => !/^(AWS|SLIPWAY)_/.test(k)));
    s.env.XDG_STATE_HOME = join(s.dir, 'state');
    s.flags = flags;
    await s.launch('127.0.0.1:0');
    s.client = JSON.parse(await readFile(join(s.dir, 'data', 'client.json'), 'utf8'));
    return s;
  }

  // launch runs the program and waits until it answers.
  async launch(listen) {
    const ready = join(this.dir, 'ready');
    await rm(ready, { force: true });
    const log = openSync(join(this.dir, 'log'), 'a');
    this.exit = null;
    this.process = spawn(this.bin, ['serve', '--data-dir', join(this.dir, 'data'), '--listen', listen, '--ready-file', ready, ...this.flags],
      { stdio: ['ignore', log, log], env: this.env, cwd: this.dir });
    closeSync(log);
    this.ended = new Promise((done, fail) => {
      this.process.once('error', fail);
      this.process.once('exit', (code, signal) => { this.exit = { code, signal }; done(); });
    });
    await until('the server answers', async () => {
      if (this.exit) throw new Error(`the server ended: ${await this.log()}`);
      return access(ready).then(() => true, () => false);
    });
  }

  // kill ends the program as a power cut would; launch(server.address) starts it again.
  async kill() {
    this.process.kill('SIGKILL');
    await this.ended;
  }

  get address() { return new URL(this.client.endpoint).host; }

  // config is what any client of the SDK takes.
  get config() {
    const bundle = this.client.ca_bundle;
    return {
      ...(bundle && { requestHandler: { httpsAgent: { ca: readFileSync(bundle) } } }),
      endpoint: this.client.endpoint, region: this.client.region,
      credentials: { accessKeyId: this.client.access_key_id, secretAccessKey: this.client.secret_access_key },
    };
  }

  // cli runs a slipway command against this server and returns what it prints.
  async cli(...args) {
    return this.alone(...args, '--data-dir', join(this.dir, 'data'));
  }

  // alone runs a slipway command that asks no server.
  async alone(...args) {
    const { stdout } = await run(this.bin, args, { env: this.env, maxBuffer: 16 << 20 });
    return stdout.trim();
  }

  // fixture makes a disk of 1 GiB to push.
  async fixture(kind, name = kind) {
    const disk = join(this.dir, `${name}.raw`);
    await run('go', ['run', './tools/fixture', kind, disk, '--size', '1'], { cwd: root });
    return disk;
  }

  log() { return readFile(join(this.dir, 'log'), 'utf8'); }

  async stop() {
    this.process.kill('SIGTERM');
    await this.ended;
    if (this.exit.code !== 0) throw new Error(`the server ended with ${JSON.stringify(this.exit)}: ${await this.log()}`);
    await rm(this.dir, { recursive: true });
  }
}
