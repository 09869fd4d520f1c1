// A fleet of machines that are not real, whose image has applications with and
// without pictures, and a stack for its users; for the tests beside this file.
import { House, until, watched } from './browser.mjs';

// catalogue is what there is to start; every program is on the disk. The fake
// guest tool lets a start fail that is told to (guest/pretend).
const catalogue = [
  ['notepad', 'Notepad', 'C:\\Windows\\notepad.exe'], ['paint', 'Paint', 'C:\\Windows\\mspaint.exe'], ['setup', 'System Setup', 'C:\\Windows\\System32\\Sysprep\\sysprep.exe'],
  ['ledger', 'Ledger 2026', 'C:\\Windows\\System32\\ntoskrnl.exe'], ['drawing', 'Drawing Board', 'C:\\Windows\\System32\\Sysprep\\sysprep.exe'], ['viewer', 'Plan Viewer', 'C:\\Windows\\notepad.exe'],
  ['gone', 'Gone Today', 'C:\\Windows\\System32\\ntoskrnl.exe', '--missing'], ['crash', 'Crash Test', 'C:\\Windows\\System32\\ntoskrnl.exe', '--crash'],
  ['console', 'A Console with a rather long name that takes more than two lines of its tile', 'C:\\Windows\\System32\\ntoskrnl.exe'],
].map(([Name, DisplayName, AbsoluteAppPath, LaunchParameters]) => ({ Name, DisplayName, AbsoluteAppPath, LaunchParameters }));

export class Rooms {
  // open starts a server with the image, and a fleet in each view with a stack of
  // its own; the stacks have the settings that are given.
  static async open(settings = {}) {
    const r = new Rooms();
    try {
      await r.#build(settings);
      return r;
    } catch (e) {
      await r.house?.close();
      throw e;
    }
  }

  async #build(settings) {
    const r = this;
    r.house = await House.open('--fake-boot-time', '300ms');
    r.app = r.house.app;
    const s = r.house.server;
    const disk = await s.fixture('ws2022');
    const [SourceAmiId, IamRoleArn] = [await s.cli('ami', 'push', disk, '--name', 'rooms'), await s.cli('role', 'create-import')];
    await r.app.createImportedImage({ Name: 'apps', SourceAmiId, IamRoleArn, AppCatalogConfig: catalogue });
    await until('the image is there', async () => {
      const [img] = (await r.app.describeImages({ Names: ['apps'] })).Images;
      if (img.State === 'FAILED') throw new Error(JSON.stringify(img));
      return img.State === 'AVAILABLE';
    });
    for (const view of ['APP', 'DESKTOP']) await r.fleet(view.toLowerCase(), view, settings[view]);
  }

  // fleet makes a fleet with room for so many users, since every test has its own.
  async fleet(name, StreamView, UserSettings, { image = 'apps', type = 'GeneralPurpose.m7i.large', seats = 8 } = {}) {
    await this.app.createFleet({
      Name: name, ImageName: image, InstanceType: type, FleetType: 'ALWAYS_ON', StreamView,
      ComputeCapacity: { DesiredInstances: seats }, MaxUserDurationInSeconds: 1800,
    });
    await this.app.createStack({ Name: name, DisplayName: StreamView === 'APP' ? 'Design Studio' : 'Office Desktop', UserSettings });
    await this.app.startFleet({ Name: name });
    await this.app.associateFleet({ FleetName: name, StackName: name });
    await until(`the fleet ${name} is up`, async () => (await this.app.describeFleets({ Names: [name] })).Fleets[0].ComputeCapacityStatus.Available === seats);
  }

  async stack(name, UserSettings) { await this.app.updateStack({ Name: name, UserSettings }); }

  async sessions(name) { return (await this.app.describeSessions({ StackName: name, FleetName: name })).Sessions; }

  // deeds are what the audit log has of what users did, the oldest first.
  async deeds(event) {
    return JSON.parse(await this.house.server.cli('audit', '--json')).Records.filter((r) => r.eventName === event).reverse();
  }

  // opened is a page of a user's session.
  async opened(browser, stack, user, more = {}, options = {}) {
    const page = await watched(browser, options);
    const res = await page.goto(await this.address(stack, user, more));
    if (res.status() !== 200) throw new Error(`the page: ${res.status()}: ${await page.locator('main').innerText()}`);
    return page;
  }

  async address(name, UserId, more = {}) {
    return (await this.app.createStreamingURL({ StackName: name, FleetName: name, UserId, ...more })).StreamingURL;
  }

  close() { return this.house.close(); }
}
