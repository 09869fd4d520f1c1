// A user's session in a real browser, over machines that are not real: from an
// address to the end, and what a stack says about it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { House, browse, connected, shoot, until, watched } from './browser.mjs';

let house, browser;

before(async () => {
  [house, browser] = await Promise.all([House.open('--fake-boot-time', '1s'), browse()]);
  await house.app.createFleet({
    Name: 'fleet', ImageName: 'AppStream-Base', InstanceType: 'stream.standard.small', FleetType: 'ALWAYS_ON', StreamView: 'DESKTOP',
    ComputeCapacity: { DesiredInstances: 2 }, DisconnectTimeoutInSeconds: 60, IdleDisconnectTimeoutInSeconds: 60, MaxUserDurationInSeconds: 600,
  });
  await house.app.createStack({
    Name: 'stack', DisplayName: '<b>Design</b>', RedirectURL: 'https://example.com/after', FeedbackURL: 'https://example.com/how',
    UserSettings: [
      { Action: 'CLIPBOARD_COPY_FROM_LOCAL_DEVICE', Permission: 'ENABLED', MaximumLength: 12 }, { Action: 'CLIPBOARD_COPY_TO_LOCAL_DEVICE', Permission: 'DISABLED' },
    ],
  });
  await house.app.startFleet({ Name: 'fleet' });
  await house.app.associateFleet({ FleetName: 'fleet', StackName: 'stack' });
  const available = async () => (await house.app.describeFleets({ Names: ['fleet'] })).Fleets[0].ComputeCapacityStatus.Available;
  await until('both instances are up', async () => (await available()) === 2);
});
after(async () => {
  await browser?.close();
  await house?.close();
});

const address = async (user) => (await house.app.createStreamingURL({ StackName: 'stack', FleetName: 'fleet', UserId: user })).StreamingURL;
const sessions = async () => (await house.app.describeSessions({ StackName: 'stack', FleetName: 'fleet' })).Sessions;
const connections = async () => (await sessions()).map((s) => `${s.UserId} ${s.ConnectionState}`).sort();

async function seen(user) {
  const page = await watched(browser);
  await page.goto(await address(user));
  await connected(page);
  return page;
}

// picture is the screen, once the guest's desktop is drawn on it.
async function picture(page) {
  const drawn = () => page.evaluate(() => {
    const c = document.querySelector('#screen canvas');
    return c.width > 20 && [...c.getContext('2d').getImageData(10, 10, 1, 1).data.slice(0, 3)].join() === '24,112,96';
  });
  await until('the desktop is drawn', drawn);
  return page.evaluate(() => document.querySelector('#screen canvas').toDataURL());
}

test('two users see different machines, and one comes back to the same', async () => {
  const [ann, bob] = await Promise.all([seen('ann'), seen('bob')]);
  assert.equal(await ann.locator('#title').innerText(), '<b>Design</b>');
  assert.match(await ann.locator('#left').innerText(), /^10 min left|^9 min left/); // MaxUserDuration
  const [hers, his] = [await picture(ann), await picture(bob)];
  assert.ok(hers !== his, 'both see the same machine');
  assert.deepEqual(await connections(), ['ann CONNECTED', 'bob CONNECTED']);
  await shoot(ann, 'session');

  await ann.click('#b-end');
  await ann.click('#end-leave');
  await until('she is gone', async () => (await connections())[0] === 'ann NOT_CONNECTED');
  const again = await seen('ann'); // with another address
  assert.ok((await picture(again)) === hers, 'she came back to another machine');
  assert.equal((await sessions()).length, 2);
  // The first page, when it comes back, takes the session over: one at a time.
  await ann.click('#veil-again');
  await connected(ann);
  await again.locator('#veil-text', { hasText: 'in another window' }).waitFor();

  await ann.click('#b-end');
  await ann.click('#end-session');
  await ann.locator('#veil-title', { hasText: 'has ended' }).waitFor();
  assert.equal(await ann.locator('#veil-on').getAttribute('href'), 'https://example.com/after');
  assert.equal(await ann.locator('#veil-feedback').getAttribute('href'), 'https://example.com/how');
  await shoot(ann, 'session-ended');
  await until('her session is over', async () => (await connections()).join() === 'bob CONNECTED' || (await sessions()).some((s) => s.UserId === 'ann' && s.State === 'EXPIRED'));
  await ann.reload();
  assert.match(await ann.locator('main').innerText(), /session has ended/);

  const [{ Id }] = (await sessions()).filter((s) => s.UserId === 'bob');
  await house.app.expireSession({ SessionId: Id });
  await bob.locator('#veil-text', { hasText: 'session has ended' }).waitFor();
  for (const p of [ann, again, bob]) {
    assert.deepEqual(p.complaints.filter((c) => !/status of 40|willReadFrequently|WebSocket/.test(c)), []);
    await p.context().close();
  }
});

test('a stack decides what is copied', async () => {
  await until('an instance is up again', async () => (await house.app.describeFleets({ Names: ['fleet'] })).Fleets[0].ComputeCapacityStatus.Available > 0);
  const page = await seen('eve');
  await page.keyboard.type('secret');
  await page.keyboard.press('Enter'); // the fake guest copies the line
  await page.click('#b-clip');
  assert.equal(await page.locator('#clip-copy').isVisible(), false);
  assert.equal(await page.locator('#clip-send').isVisible(), true);
  // Whatever would be passed was passed before the answer to this.
  await page.locator('#quality').waitFor();
  await page.waitForTimeout(300);
  assert.equal(await page.locator('#clip').inputValue(), '');
  await page.fill('#clip', 'thirteen long');
  await page.click('#clip-send');
  await page.locator('#toast', { hasText: 'At most 12 characters' }).waitFor();
  await page.fill('#clip', 'twelve: äöü€');
  await page.click('#clip-send');
  await page.locator('#toast', { hasText: "is in the guest's clipboard" }).waitFor();
  await page.context().close();
});

test('who finds all machines taken gets one as soon as it is free', async () => {
  const available = async () => (await house.app.describeFleets({ Names: ['fleet'] })).Fleets[0].ComputeCapacityStatus.Available;
  for (const s of await sessions()) if (s.State === 'ACTIVE') await house.app.expireSession({ SessionId: s.Id });
  await until('both machines are free', async () => (await available()) === 2);
  const [ann, bob] = await Promise.all([seen('ann'), seen('bob')]);
  const page = await watched(browser);
  const answer = await page.goto((await house.app.createStreamingURL({ StackName: 'stack', FleetName: 'fleet', UserId: 'cat', Validity: 300 })).StreamingURL);
  assert.equal(answer.status(), 503);
  assert.match(await page.locator('main').innerText(), /No streaming resource.* tries again by itself/s);
  await shoot(page, 'page-taken');
  await ann.click('#b-end');
  await ann.click('#end-session');
  await connected(page); // nobody has touched it
  for (const p of [ann, bob, page]) await p.context().close();
});
