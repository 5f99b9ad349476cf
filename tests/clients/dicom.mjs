// Sends one DIMSE request with dcmjs-dimse and prints the answer as one line of JSON.
//
// usage: node dicom.mjs '{"operation": "n-create", "host": …, "port": …, "calling": …, "called": …,
//                         "uid": …, "elements": {…}}'
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import path from 'node:path';

const folder = process.env.RIS_TEST_NODE_MODULES;
const require = createRequire(pathToFileURL(path.join(folder, 'x.js')));
const dcmjsDimse = require('dcmjs-dimse');
const { Client, Dataset, constants } = dcmjsDimse;
const { requests } = dcmjsDimse;
dcmjsDimse.log.level = 'silent';

const MPPS = constants.SopClass.ModalityPerformedProcedureStep;
const MPPS_RETRIEVE = '1.2.840.10008.3.1.2.3.4';
const asked = JSON.parse(process.argv[2]);

function request() {
  switch (asked.operation) {
    case 'c-echo':
      return new requests.CEchoRequest();
    case 'c-find':
      return requests.CFindRequest.createWorklistFindRequest(asked.elements);
    case 'n-create': {
      const made = new requests.NCreateRequest(MPPS, asked.uid);
      made.setDataset(new Dataset(asked.elements));
      return made;
    }
    case 'n-set': {
      const made = new requests.NSetRequest(MPPS, asked.uid);
      made.setDataset(new Dataset(asked.elements));
      return made;
    }
    case 'n-get':
      return new requests.NGetRequest(MPPS_RETRIEVE, asked.uid);
    default:
      throw new Error(`no such operation: ${asked.operation}`);
  }
}

const answers = [];
const made = request();
made.on('response', (response) => {
  const dataset = response.getDataset();
  answers.push({
    status: response.getStatus(),
    dataset: dataset ? dataset.getElements() : null,
    uid: response.getAffectedSopInstanceUid ? response.getAffectedSopInstanceUid() : null,
  });
});
const client = new Client();
client.addRequest(made);
const pending = (answer) => answer.status === 0xff00 || answer.status === 0xff01;
const say = (said) => {
  process.stdout.write(JSON.stringify(said) + '\n', () => process.exit(said.error ? 1 : 0));
};
const failed = (word) => (error) => {
  // With the last match and the final response in one packet the client asks for the release twice
  // and trips over the closed socket; by then it has all answers.
  const done = answers.length > 0 && !pending(answers.at(-1));
  say(done ? { answers } : { error: `${word} ${error ?? ''}`.trim() });
};
client.on('networkError', failed('network'));
client.on('associationRejected', failed('rejected'));
client.on('closed', () => say({ answers }));
client.send(asked.host, asked.port, asked.calling, asked.called);
