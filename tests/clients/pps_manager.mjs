// A PPS manager on dcmjs-dimse: says when it listens, then each request it was sent, one JSON a line.
//
// usage: node pps_manager.mjs PORT
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import path from 'node:path';

const folder = process.env.RIS_TEST_NODE_MODULES;
const require = createRequire(pathToFileURL(path.join(folder, 'x.js')));
const dcmjsDimse = require('dcmjs-dimse');
const { Scp, Server, constants, responses } = dcmjsDimse;
const { PresentationContextResult, Status, TransferSyntax } = constants;
dcmjsDimse.log.level = 'silent';

const say = (said) => process.stdout.write(JSON.stringify(said) + '\n');
const readable = [TransferSyntax.ImplicitVRLittleEndian, TransferSyntax.ExplicitVRLittleEndian];

class Manager extends Scp {
  associationRequested(association) {
    this.association = association;
    for (const { id } of association.getPresentationContexts()) {
      const context = association.getPresentationContext(id);
      const chosen = context.getTransferSyntaxUids().find((uid) => readable.includes(uid));
      if (chosen) context.setResult(PresentationContextResult.Accept, chosen);
    }
    this.sendAssociationAccept();
  }

  nCreateRequest(request, callback) {
    this.#told('N-CREATE', request.getAffectedSopInstanceUid(), request);
    callback(this.#success(responses.NCreateResponse, request));
  }

  nSetRequest(request, callback) {
    this.#told('N-SET', request.getRequestedSopInstanceUid(), request);
    callback(this.#success(responses.NSetResponse, request));
  }

  cEchoRequest(request, callback) {
    callback(this.#success(responses.CEchoResponse, request));
  }

  associationReleaseRequested() {
    this.sendAssociationReleaseResponse();
  }

  #told(operation, uid, request) {
    const elements = request.getDataset().getElements();
    say({ operation, uid, elements, caller: this.association.getCallingAeTitle() });
  }

  #success(kind, request) {
    const response = kind.fromRequest(request);
    response.setStatus(Status.Success);
    return response;
  }
}

const port = Number(process.argv[2]);
const server = new Server(Manager);
server.on('networkError', (error) => say({ error: String(error) }));
server.listen(port);
server.server.once('listening', () => say({ port }));
