// Runs the script with one client against a server of its own. A client has
//
//   name                          for what is printed
//   swift                         whether a second request for each operation is cheap
//   knows(service, operation)     whether this version of the client has it
//   send(config, service, operation, input)
//                                 the answer, or throws a Refusal; config is what clients of
//                                 the SDK take: endpoint, region and credentials
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root, Server } from '../js/rig.mjs';
import { Account, at, filled, plain, read } from './script.mjs';

const denials = ['AccessDenied', 'UnauthorizedOperation'];

// Refusal is an error as a client tells it.
export class Refusal extends Error {
  constructor(message, { names, shape, status }) {
    super(message);
    this.names = names.filter(Boolean).map(plain);
    this.shape = shape; // the modelled exception whose type it has; null: none; undefined: this client has no types
    this.status = status; // of HTTP; undefined where the client does not tell
  }
}

class Wrong extends Error {}
const must = (ok, words) => { if (!ok) throw new Wrong(words); };

export class Run {
  static async start(client) {
    const server = await Server.start('--compute', 'fake', '--fake-boot-time', '100ms', '--import-rules', 'open',
      '--throttle-reads', '0', '--throttle-writes', '0', '--import-dir', '.');
    const run = new Run(server, client);
    try {
      await run.prepare();
    } catch (e) {
      await run.stop().catch(() => {}); // the first error counts
      throw e;
    }
    return run;
  }

  constructor(server, client) {
    this.server = server;
    this.client = client;
    this.script = read(join(root, 'test', 'conform'));
    this.logins = { admin: server.config.credentials };
    this.values = {};
  }

  stop() { return this.server.stop(); }

  async prepare() {
    const { server } = this;
    this.operations = JSON.parse(await server.alone('operations', '--missing', '--json'));
    this.account = new Account(this.operations, this.script, this.client.swift);
    const other = JSON.parse(await server.cli('account', 'create', '--json')).key;
    this.login('other', other.id, other.secret);
    await writeFile(join(server.dir, 'blocked'), ''); // where an export wants a directory
    const ami = await server.cli('ami', 'push', await server.fixture('ws2022', 'disk'), '--name', 'pushed');
    await this.send('iam', 'CreateUser', 'admin', { UserName: 'powerless' });
    const key = (await this.send('iam', 'CreateAccessKey', 'admin', { UserName: 'powerless' })).AccessKey;
    this.login('powerless', key.AccessKeyId, key.SecretAccessKey);
    const image = (await this.send('ec2', 'DescribeImages', 'admin', { ImageIds: [ami] })).Images[0];
    Object.assign(this.values, {
      region: server.config.region, account: server.client.account, other: other.account, ami,
      snapshot: image.BlockDeviceMappings[0].Ebs.SnapshotId,
    });
  }

  login(name, accessKeyId, secretAccessKey) { this.logins[name] = { accessKeyId, secretAccessKey }; }

  send(service, operation, who, input) {
    return this.client.send({ ...this.server.config, credentials: this.logins[who] }, service, operation, input);
  }

  // refusal gives the error that a request must end with.
  async refusal(service, operation, who, input) {
    try {
      await this.send(service, operation, who, input);
    } catch (e) {
      if (e instanceof Refusal) return e;
      throw e;
    }
    throw new Wrong('it was not refused');
  }

  // built runs the script and gives the lines of the account.
  async built() {
    for (const line of this.script) {
      try {
        if (line.kind === 'let') this.values[line.name] = filled(line.value, this.values);
        if (line.kind === 'open') await this.open(filled(line.value, this.values));
        if (line.kind === 'login') this.login(line.name, filled(line.id, this.values), filled(line.secret, this.values));
        if (line.kind === 'call') await this.call(line);
      } catch (e) {
        throw new Error(`${line.at}: ${line.kind === 'call' ? `${line.service}.${line.operation}` : line.kind}: ${e.message}`, { cause: e });
      }
    }
    const { lines, missing } = this.account.report();
    if (missing.length > 0) throw new Error(`${[...lines, ...missing].join('\n')}`);
    return lines;
  }

  // open asks for an address as a browser does; what comes back is a page.
  async open(url) {
    const answer = await fetch(url);
    must(answer.ok, `it answers ${answer.status}: ${(await answer.text()).replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ')}`);
  }

  async call(line) {
    const op = this.operations.find((o) => o.service === line.service && o.operation === line.operation);
    must(op, 'AWS has no such operation');
    const input = filled(line.input, this.values);
    if (line.then === 'refused') return this.refused(op, line, input);
    if (this.client.swift) await this.denied(line, input);
    const end = Date.now() + 60_000;
    for (;;) {
      const answer = await this.send(line.service, line.operation, line.who, input);
      for (const [name, path] of Object.entries(line.values ?? {})) {
        this.values[name] = at(answer, path);
        must(this.values[name], `the answer has no ${path}: ${JSON.stringify(answer)}`);
      }
      const want = filled(line.value ?? '', this.values);
      if (!line.path || String(at(answer, line.path)) === want) break;
      must(line.then === 'until' && Date.now() < end, `${line.path} is ${at(answer, line.path)}, not ${want}: ${JSON.stringify(answer)}`);
      await new Promise((next) => setTimeout(next, 20));
    }
    this.account.done.add(`${line.service}.${line.operation}`);
  }

  // refused asks for an error by name, and by type where the model lists it.
  async refused(op, line, input) {
    const e = await this.refusal(line.service, line.operation, line.who, input);
    must(e.names.includes(plain(line.error)), `wanted ${line.error}, got ${e.names}: ${e.message}`);
    must(e.message, `${line.error} has no message`);
    const shape = op.errors.find((s) => plain(s) === plain(line.error)) ?? null;
    must(e.shape === undefined || e.shape === shape, `${line.error} came as ${e.shape}, not ${shape}`);
    this.account.errors(`${line.service}.${line.operation}`).add(plain(line.error));
  }

  async denied(line, input) {
    const name = `${line.service}.${line.operation}`;
    if (this.account.denied.has(name)) return;
    this.account.denied.add(name);
    if (this.account.never(line.service, line.operation, 'denied')) return;
    const e = await this.refusal(line.service, line.operation, 'powerless', input);
    must(e.names.some((n) => denials.includes(n)), `a caller without permissions got ${e.names}: ${e.message}`);
  }

  // absent asks for everything that is not built and gives a line about it.
  async absent() {
    const all = this.operations.filter((o) => !o.built);
    const wrong = [];
    const one = async ({ service, operation }) => {
      if (!this.client.knows(service, operation)) {
        wrong.push(`${service}.${operation} is not known to ${this.client.name}`);
        return;
      }
      const e = await this.refusal(service, operation, 'admin', {}).catch((e) => e);
      const ok = e instanceof Refusal && e.names.includes('NotImplemented') && (e.status ?? 501) === 501;
      if (!ok) wrong.push(`${service}.${operation}: ${e.names} ${e.status} ${e.message}`);
    };
    const left = [...all];
    await Promise.all(Array.from({ length: 4 }, async () => { while (left.length > 0) await one(left.shift()); }));
    if (wrong.length > 0) throw new Error(wrong.join('\n'));
    return `${all.length} operations that are not built answer NotImplementedException, 501`;
  }
}
