// conform.mjs CLIENT runs test/conform with boto3 or with the AWS command line,
// whose program AWS names, and fails at the first thing that is wrong.
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Refusal, Run } from '../conform/run.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const execute = promisify(execFile);
const inJSON = (input) => JSON.stringify(input, function (key, value) { return this[key] instanceof Uint8Array ? { $zeros: this[key].length } : value; });

// boto speaks with conform.py, a line of JSON for each request.
async function boto() {
  const python = spawn('python3', [join(here, 'conform.py')], { stdio: ['pipe', 'pipe', 'inherit'] });
  const waiting = [];
  const lines = createInterface(python.stdout);
  lines.on('line', (line) => waiting.shift().done(JSON.parse(line)));
  python.once('exit', (code) => waiting.splice(0).forEach((w) => w.fail(new Error(`conform.py ended: ${code}`))));
  const ask = (request) => new Promise((done, fail) => {
    waiting.push({ done, fail });
    python.stdin.write(`${inJSON(request)}\n`);
  });
  const known = await ask({ known: true });
  return {
    name: 'boto3',
    swift: true,
    knows: (service, operation) => known[service].includes(operation),
    async send(config, service, operation, input) {
      const { answer, error } = await ask({ config, service, operation, input });
      if (!error) return answer;
      if (!error.status) throw new Error(error.message);
      throw new Refusal(error.message, { names: [error.code], shape: error.shape, status: error.status });
    },
    close: () => python.stdin.end(),
  };
}

// commandLine starts the AWS command line for each request.
async function commandLine() {
  const dir = await mkdtemp(join(tmpdir(), 'slipway-aws-'));
  await writeFile(join(dir, 'config'), '[default]\ncli_pager=\nparameter_validation=false\n');
  const words = { tagging: 'resourcegroupstaggingapi' };
  const kebab = JSON.parse((await execute('python3', [join(here, 'conform.py'), 'names'], { maxBuffer: 16 << 20 })).stdout);
  const aws = async (config, args) => execute(process.env.AWS, ['--output', 'json', ...args], {
    maxBuffer: 64 << 20,
    env: {
      PATH: process.env.PATH, HOME: dir, ...(process.env.PYTHONPATH && { PYTHONPATH: process.env.PYTHONPATH }), AWS_CONFIG_FILE: join(dir, 'config'),
      AWS_ENDPOINT_URL: config.endpoint, AWS_REGION: config.region, AWS_DEFAULT_REGION: config.region, AWS_MAX_ATTEMPTS: '1',
      AWS_ACCESS_KEY_ID: config.credentials.accessKeyId, AWS_SECRET_ACCESS_KEY: config.credentials.secretAccessKey,
    },
  });
  return {
    name: 'the AWS command line',
    swift: false,
    knows: (service, operation) => operation in kebab[service],
    async send(config, service, operation, input) {
      const args = [words[service] ?? service, kebab[service][operation]];
      const { BlockData, ...rest } = input;
      if (BlockData) {
        await writeFile(join(dir, 'block'), BlockData);
        args.push('--block-data', join(dir, 'block'));
      }
      if (operation === 'GetSnapshotBlock') { // answers into a file, and then takes no JSON
        for (const [k, v] of Object.entries(rest)) args.push(k.replace(/[A-Z]/g, (c, at) => `${at ? '-' : '--'}${c.toLowerCase()}`), String(v));
        args.push(join(dir, 'got'));
      } else {
        args.push('--cli-input-json', inJSON(rest));
      }
      try {
        const { stdout } = await aws(config, args);
        return stdout.trim() === '' ? {} : JSON.parse(stdout);
      } catch (e) {
        const m = /An error occurred \(([\w.]+)\) when calling the (\w+) operation[^:]*: (.*)/s.exec(e.stderr ?? '');
        if (!m) throw e;
        throw new Refusal(m[3].trim(), { names: [m[1]] });
      }
    },
    close: () => rm(dir, { recursive: true }),
  };
}

const begun = Date.now();
const client = await { boto3: boto, cli: commandLine }[process.argv[2]]();
const run = await Run.start(client);
try {
  for (const line of await run.built()) console.log(`${client.name}: ${line}`);
  console.log(`${client.name}: ${await run.absent()}`);
} catch (e) {
  console.error((await readFile(join(run.server.dir, 'log'), 'utf8')).split('\n').slice(-20).join('\n'));
  throw e;
} finally {
  await run.stop();
  await client.close();
}
console.log(`${client.name}: ${Math.round((Date.now() - begun) / 1000)} s`);
