// Validates FHIR resources with the package `fhir`, which reads XML too; many in one process.
//
//     node validate.mjs FOLDER-OF-NODE-MODULES < bodies.json
//
// Standard input is a JSON list of bodies as text, JSON or XML; standard output a list beside it:
// {"faults": ["Patient.gender: ..."], "json": the resource as this package reads it}.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [modules] = process.argv.slice(2);
const { Fhir } = createRequire(join(modules, 'package.json'))(join(modules, 'fhir'));

const fhir = new Fhir();
const said = (body) => {
  const json = body.trimStart().startsWith('<') ? fhir.xmlToJson(body) : body;
  const { messages } = fhir.validate(JSON.parse(json), { errorOnUnexpected: true });
  const wrong = messages.filter(({ severity }) => severity === 'error' || severity === 'fatal');
  return { faults: wrong.map(({ location, message }) => `${location}: ${message}`), json };
};

const bodies = JSON.parse(readFileSync(0, 'utf8'));
const answers = bodies.map((body) => {
  try {
    return said(body);
  } catch (error) {
    return { faults: [`not read: ${error.message}`], json: '' };
  }
});
process.stdout.write(JSON.stringify(answers));
