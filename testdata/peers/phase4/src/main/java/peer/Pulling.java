package peer;

import com.helger.json.IJsonObject;
import com.helger.json.JsonArray;
import com.helger.json.JsonObject;
import com.helger.phase4.client.AS4ClientReceiptMessage;
import com.helger.phase4.ebms3header.Ebms3Error;
import com.helger.phase4.ebms3header.Ebms3UserMessage;
import com.helger.phase4.error.AS4ErrorList;
import com.helger.phase4.incoming.IAS4IncomingMessageState;
import com.helger.phase4.messaging.http.HttpRetrySettings;
import com.helger.phase4.mgr.MetaAS4Manager;
import com.helger.phase4.model.mpc.IMPCManager;
import com.helger.phase4.model.mpc.MPC;
import com.helger.phase4.sender.AS4Sender;
import com.helger.phase4.util.AS4ResourceHelper;
import com.helger.phase4.util.Phase4Exception;

/** One request for a message of a partition, and the receipt for what came. */
final class Pulling {
  private final Station station;
  private final IJsonObject c;
  private final JsonObject out = new JsonObject();

  Pulling(Station station, IJsonObject command) {
    this.station = station;
    this.c = command;
  }

  IJsonObject pull() throws Exception {
    JsonArray errors = new JsonArray();
    StringBuilder failure = new StringBuilder();
    AS4Sender.BuilderPullRequest p = AS4Sender.builderPullRequest();
    IMPCManager partitions = MetaAS4Manager.getMPCMgr();
    if (!partitions.containsWithID(c.getAsString("mpc"))) {
      partitions.createMPC(new MPC(c.getAsString("mpc")));
    }
    p.as4ProfileID(station.profile);
    p.cryptoFactorySign(station.signing).cryptoFactoryCrypt(station.decrypting);
    p.pmode(Profiles.pmode(station.profile, station.encrypted, null, null, c.getAsString("to"), c.getAsString("from"), c.getAsString("url")));
    p.httpRetrySettings(new HttpRetrySettings().setMaxRetries(0));
    p.endpointURL(c.getAsString("url")).mpc(c.getAsString("mpc"));
    station.signingParams(c.getAsString("sign_token", "bst")).cloneTo(p.signingParams());
    station.cryptParams("bst").cloneTo(p.cryptParams());
    p.rawResponseConsumer(r -> out.add("status", r.getResponseStatusLine().getStatusCode()));
    p.userMsgConsumer((message, meta, state) -> {
      station.processAS4UserMessage(meta, null, message, null, null,
          state.hasDecryptedAttachments() ? state.getDecryptedAttachments() : state.getOriginalAttachments(), state, new AS4ErrorList());
      out.add("message", message.getMessageInfo().getMessageId());
      try {
        acknowledge(message, state);
      } catch (Exception e) {
        throw new Phase4Exception("posting the receipt", e);
      }
    });
    p.signalMsgConsumer((signal, meta, state) -> {
      for (Ebms3Error e : signal.getError()) {
        errors.add(new JsonObject().add("code", e.getErrorCode()).add("severity", e.getSeverity()));
      }
    });
    try {
      out.add("sent", p.sendMessage().isSuccess());
    } catch (Phase4Exception e) {
      for (Throwable t = e; t != null; t = t.getCause()) {
        failure.append(t).append("; ");
      }
    }
    return out.add("errors", errors).add("exception", failure.toString());
  }

  /** The receipt of a pulled message is a request of its own. */
  private void acknowledge(Ebms3UserMessage message, IAS4IncomingMessageState state) throws Exception {
    try (AS4ResourceHelper files = new AS4ResourceHelper()) {
      AS4ClientReceiptMessage receipt = new AS4ClientReceiptMessage(files);
      receipt.setCryptoFactory(station.signing);
      station.signingParams(c.getAsString("sign_token", "bst")).cloneTo(receipt.signingParams());
      receipt.setSoapDocument(state.getEffectiveDecryptedSoapDocument()).setEbms3UserMessage(message);
      receipt.setNonRepudiation(true).setReceiptShouldBeSigned(true);
      receipt.setRefToMessageID(message.getMessageInfo().getMessageId());
      receipt.sendMessageWithRetries(c.getAsString("url"), r -> {
        out.add("receipt_status", r.getCode());
        return null;
      }, null, null, null);
    }
  }
}
