// Reads the script that all clients run (test/conform) and keeps account of what
// it has shown. It calls nothing.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

// plain is an error's name without what clients add to it or leave away.
export const plain = (name) => name.replace(/Exception$/, '');

// read gives the script's lines: {at, kind, …} in order.
export function read(dir) {
  const lines = [];
  for (const file of readdirSync(dir).filter((f) => f.endsWith('.txt')).sort()) {
    let at = 0;
    const whole = [];
    for (const text of readFileSync(join(dir, file), 'utf8').split('\n')) {
      at++;
      if (/^\s*(#|$)/.test(text)) continue;
      if (/^\s/.test(text)) whole.at(-1).text += ` ${text.trim()}`;
      else whole.push({ at: `${file}:${at}`, text });
    }
    lines.push(...whole.map(({ at, text }) => ({ at, ...line(at, text) })));
  }
  return lines;
}

function line(at, text) {
  let m;
  if ((m = /^let (\w+) (.*)$/.exec(text))) return { kind: 'let', name: m[1], value: m[2] };
  if ((m = /^open (.*)$/.exec(text))) return { kind: 'open', value: m[1] };
  if ((m = /^login (\w+) (\S+) (\S+)$/.exec(text))) return { kind: 'login', name: m[1], id: m[2], secret: m[3] };
  if ((m = /^never (\w+)(?:\.(\w+))? ([\w., ]+): (.+)$/.exec(text))) return { kind: 'never', service: m[1], operation: m[2], errors: m[3].split(/, */).map(plain) };
  if ((m = /^(\w+)\.(\w+)(?:@(\w+))? (\{.*?\})(?: => (.*))?$/.exec(text))) {
    return { kind: 'call', service: m[1], operation: m[2], who: m[3] ?? 'admin', input: JSON.parse(m[4]), ...then(at, m[5] ?? '') };
  }
  throw new Error(`${at}: not understood: ${text}`);
}

function then(at, text) {
  let m;
  if (text === '') return { then: 'ok' };
  if ((m = /^! (\S+)$/.exec(text))) return { then: 'refused', error: m[1] };
  if ((m = /^(is|until) (\S+) (.*)$/.exec(text))) return { then: m[1], path: m[2], value: m[3] };
  if (/^\w+ = /.test(text)) return { then: 'keep', values: Object.fromEntries(text.split(/, */).map((p) => p.split(' = '))) };
  throw new Error(`${at}: not understood: ${text}`);
}

// filled puts values into the texts of an input.
export function filled(value, values) {
  if (typeof value === 'string') {
    const text = value.replace(/\$\{(\w+)\}/g, (_, name) => {
      if (!(name in values)) throw new Error(`there is no value ${name}`);
      return values[name];
    });
    if (/^zeros:\d+$/.test(text)) return new Uint8Array(Number(text.slice(6)));
    if (text.startsWith('time:')) return new Date(text.slice(5));
    return text;
  }
  if (Array.isArray(value)) return value.map((v) => filled(v, values));
  if (value !== null && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, filled(v, values)]));
  return value;
}

export const at = (answer, path) => path.split('.').reduce((v, k) => v?.[k], answer);

// Account is what a run has shown of each operation.
export class Account {
  // denials: whether callers without permissions have tried, too.
  constructor(operations, script, denials) {
    this.operations = operations;
    this.denials = denials;
    this.nevers = script.filter((l) => l.kind === 'never');
    this.done = new Set();
    this.denied = new Set();
    this.refused = new Map(); // operation → errors
  }

  errors(name) {
    if (!this.refused.has(name)) this.refused.set(name, new Set());
    return this.refused.get(name);
  }

  never(service, operation, error) {
    return this.nevers.some((n) => n.service === service && (!n.operation || n.operation === operation) && n.errors.includes(error));
  }

  // report gives a line for each service, and what is missing.
  report() {
    const lines = [], missing = [];
    for (const service of new Set(this.operations.map((o) => o.service))) {
      const built = this.operations.filter((o) => o.service === service && o.built);
      let ok = 0, pairs = 0, seen = 0;
      const modelled = new Set(), met = new Set();
      for (const { operation, errors } of built) {
        const name = `${service}.${operation}`;
        const want = errors.map(plain).filter((e) => !this.never(service, operation, e));
        const got = want.filter((e) => this.errors(name).has(e));
        pairs += want.length;
        seen += got.length;
        want.forEach((e) => modelled.add(e));
        got.forEach((e) => met.add(e));
        if (!this.done.has(name)) missing.push(`${name} is built, but never succeeded: add a line "${name} {…}" to test/conform/*.txt`);
        else if (this.denials && !this.denied.has(name)) missing.push(`${name} was never refused to a caller without permissions`);
        else if (want.length > 0 && got.length === 0) {
          missing.push(`${name} was never refused with an error of its model (${want.join(', ')}): add a line "${name} {…} => ! Error", or "never ${name} Error: why"`);
        } else if (want.length === 0 && errors.length === 0 && this.errors(name).size === 0 && !this.never(service, operation, 'any')) {
          missing.push(`${name} was never refused: add a line "${name} {…} => ! Error", or "never ${name} any: why"`);
        } else ok++;
      }
      for (const e of modelled) {
        if (!met.has(e)) missing.push(`${service}: ${e} was never seen: add a line that meets it, or "never ${service} ${e}: why"`);
      }
      if (built.length > 0) lines.push(`${service} ${ok} of ${built.length} built operations; ${seen} of ${pairs} errors that their models list, ${met.size} of ${modelled.size} kinds`);
    }
    return { lines, missing };
  }
}
