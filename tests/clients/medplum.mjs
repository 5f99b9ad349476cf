// Drives a FHIR server with the Medplum client; prints what it got as one JSON object.
//
//     node medplum.mjs BASE TOKEN FOLDER-OF-NODE-MODULES
//
// The client keeps what it read for a while; `reload` asks again.

import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [base, token, modules] = process.argv.slice(2);
// The client names it when it is loaded; nothing here opens one.
globalThis.WebSocket ??= class {};

const require = createRequire(pathToFileURL(join(modules, 'x.js')));
const { MedplumClient } = require('@medplum/core');

const MRN = 'http://medplum.example/mrn';
const ORDERS = 'http://medplum.example/orders';
const number = randomUUID().slice(0, 12);

const medplum = new MedplumClient({
  baseUrl: base.replace(/fhir$/, ''),
  fhirUrlPath: 'fhir',
  fetch,
  cacheTime: 0,
});
medplum.setAccessToken(token);

const result = {};
const person = (value, family) => ({
  resourceType: 'Patient',
  identifier: [{ system: MRN, value }],
  name: [{ family, given: ['Jörg'] }],
  gender: 'male',
  birthDate: '1958-02',
});
const request = (value, subject) => ({
  resourceType: 'ServiceRequest',
  identifier: [{ system: ORDERS, value }],
  status: 'active',
  intent: 'order',
  code: { coding: [{ system: 'urn:ris:scheme:TEST', code: 'CTHEAD', display: 'CT head' }] },
  orderDetail: [{ text: 'CT' }],
  subject,
});

const patient = await medplum.createResource(person(number, 'Müller'));
const again = await medplum.createResourceIfNoneExist(
  person(number, 'Somebody else'),
  `identifier=${MRN}|${number}`,
);
result.conditional = again.id === patient.id;

const upserted = await medplum.upsertResource(
  { ...person(number, 'Müller'), gender: 'other' },
  `identifier=${MRN}|${number}`,
);
result.upsert = { same: upserted.id === patient.id, gender: upserted.gender };

const order = await medplum.createResource(
  request(number, { reference: `Patient/${patient.id}` }),
);
const read = await medplum.readResource('ServiceRequest', order.id);
result.read = read.id === order.id;

const found = await medplum.search('ServiceRequest', {
  identifier: `${ORDERS}|${number}`,
  _include: 'ServiceRequest:patient',
});
result.included = found.entry.map((entry) => `${entry.search.mode} ${entry.resource.resourceType}`);

const changed = await medplum.updateResource({ ...read, priority: 'stat' });
result.update = changed.priority;

const revoked = await medplum.patchResource('ServiceRequest', order.id, [
  { op: 'test', path: '/priority', value: 'stat' },
  { op: 'replace', path: '/status', value: 'revoked' },
]);
result.patch = revoked.status;

const history = await medplum.readHistory('ServiceRequest', order.id);
result.history = history.entry.map((entry) => entry.resource.status);

const answer = await medplum.executeBatch({
  resourceType: 'Bundle',
  type: 'transaction',
  entry: [
    {
      fullUrl: 'urn:uuid:5f1c0c0a-1f4e-4c34-9d55-0f6a0a6d1e01',
      request: { method: 'POST', url: 'Patient', ifNoneExist: `identifier=${MRN}|${number}-t` },
      resource: person(`${number}-t`, 'Transaction'),
    },
    {
      fullUrl: 'urn:uuid:5f1c0c0a-1f4e-4c34-9d55-0f6a0a6d1e02',
      request: { method: 'POST', url: 'ServiceRequest' },
      resource: request(`${number}-t`, {
        reference: 'urn:uuid:5f1c0c0a-1f4e-4c34-9d55-0f6a0a6d1e01',
      }),
    },
  ],
});
result.transaction = answer.entry.map((entry) => entry.response.status.slice(0, 3));

const seen = [];
for await (const page of medplum.searchResourcePages('Patient', { _count: '1', _sort: '_id' })) {
  seen.push(...page.map((each) => each.id));
  if (seen.length > 20) break;
}
result.pages = { count: seen.length, distinct: new Set(seen).size };

const outcome = await medplum.validateResource(person('x', 'Valid'));
result.validate = outcome.issue.map((issue) => issue.severity);

const binary = await medplum.createBinary({
  data: 'dictated words',
  filename: 'words.txt',
  contentType: 'text/plain',
});
const words = await medplum.download(`${base}/Binary/${binary.id}`, {
  headers: { Accept: 'text/plain' },
});
result.binary = await words.text();

const kept = await medplum.createResource({
  resourceType: 'Observation',
  status: 'final',
  code: { text: 'Creatinine' },
  subject: { reference: `Patient/${patient.id}` },
  valueQuantity: { value: 1.2, unit: 'mg/dL' },
});
await medplum.deleteResource('Observation', kept.id);
try {
  await medplum.readResource('Observation', kept.id);
} catch (error) {
  result.deleted = error.outcome.issue[0].code;
}

const everything = await medplum.readPatientEverything(patient.id);
result.everything = [...new Set(everything.entry.map((entry) => entry.resource.resourceType))]
  .filter((type) => ['Patient', 'ServiceRequest'].includes(type))
  .sort();

try {
  await medplum.readResource('Patient', 'unknown');
} catch (error) {
  result.unknown = error.outcome.resourceType;
}

console.log(JSON.stringify(result));
process.exit(0);
