package peer;

import com.helger.json.IJson;
import com.helger.json.IJsonObject;
import com.helger.json.JsonArray;
import com.helger.json.JsonObject;
import com.helger.mime.parse.MimeTypeParser;
import com.helger.phase4.attachment.AS4OutgoingAttachment;
import com.helger.phase4.attachment.WSS4JAttachment;
import com.helger.phase4.ebms3header.Ebms3Error;
import com.helger.phase4.messaging.http.HttpRetrySettings;
import com.helger.phase4.model.MessageProperty;
import com.helger.phase4.sender.AbstractAS4UserMessageBuilderMIMEPayload;
import com.helger.phase4.sender.EAS4UserMessageSendResult;
import com.helger.phase4.sender.IAS4SignalMessageValidationResultHandler;
import com.helger.phase4.util.AS4ResourceHelper;
import java.io.File;
import java.io.IOException;
import java.nio.charset.Charset;
import java.util.Base64;

/** One message that a station sends. */
final class Sending {
  private final Station station;
  private final IJsonObject c;

  Sending(Station station, IJsonObject command) {
    this.station = station;
    this.c = command;
  }

  /** phase4's own builder insists on a payload; the profile does not. */
  private static final class Message extends AbstractAS4UserMessageBuilderMIMEPayload<Message> {
    @Override
    public boolean isEveryRequiredFieldSet() {
      return true;
    }

    @Override
    protected WSS4JAttachment createMainAttachment(AS4OutgoingAttachment payload, AS4ResourceHelper files) throws IOException {
      return payload == null ? null : super.createMainAttachment(payload, files);
    }
  }

  private Message message() throws Exception {
    Message m = new Message();
    m.as4ProfileID(station.profile);
    m.cryptoFactorySign(station.signing).cryptoFactoryCrypt(station.decrypting);
    m.pmode(Profiles.pmode(station.profile, c.getAsString("certificate") != null, null, null, c.getAsString("from"), c.getAsString("to"),
        c.getAsString("url")));
    if (c.getAsObject("tls") != null) {
      m.httpClientFactory(Tls.settings(c.getAsObject("tls")));
    }
    m.httpRetrySettings(new HttpRetrySettings().setMaxRetries(0));
    m.endpointURL(c.getAsString("url"));
    m.messageID(c.getAsString("message"));
    m.refToMessageID(c.getAsString("ref_to"));
    m.conversationID(c.getAsString("conversation"));
    m.service(c.getAsString("service_type"), c.getAsString("service"));
    m.action(c.getAsString("action"));
    m.agreementRef(c.getAsString("agreement"));
    m.agreementType(c.getAsString("agreement_type"));
    m.fromPartyIDType(c.getAsString("from_type")).fromPartyID(c.getAsString("from")).fromRole(c.getAsString("from_role"));
    m.toPartyIDType(c.getAsString("to_type")).toPartyID(c.getAsString("to")).toRole(c.getAsString("to_role"));
    m.forceMimeMessage(c.getAsBoolean("multipart", false));
    for (IJson p : c.getAsArray("properties")) {
      IJsonObject o = p.getAsObject();
      m.addMessageProperty(MessageProperty.builder().name(o.getAsString("name")).type(o.getAsString("type")).value(o.getAsString("value")));
    }
    boolean first = true;
    for (IJson p : c.getAsArray("parts")) {
      AS4OutgoingAttachment a = attachment(p.getAsObject());
      if (first) {
        m.payload(a);
      } else {
        m.addAttachment(a);
      }
      first = false;
    }
    station.signingParams(c.getAsString("sign_token", "bst")).cloneTo(m.signingParams());
    if (c.getAsString("certificate") != null) {
      station.cryptParams(c.getAsString("encrypt_token", "bst")).cloneTo(m.cryptParams());
      m.receiverCertificate(Keys.certificate(c.getAsString("certificate")));
    } else {
      m.cryptParams().setAlgorithmCrypt(null);
    }
    return m;
  }

  private static AS4OutgoingAttachment attachment(IJsonObject o) throws Exception {
    AS4OutgoingAttachment.Builder b = AS4OutgoingAttachment.builder().data(new File(o.getAsString("file")))
        .mimeType(MimeTypeParser.parseMimeType(o.getAsString("type"))).contentID(o.getAsString("id"));
    if (o.getAsBoolean("gzip", false)) {
      b.compressionGZIP();
    }
    if (o.getAsString("charset") != null) {
      b.charset(Charset.forName(o.getAsString("charset")));
    }
    return b.build();
  }

  IJsonObject send() throws Exception {
    JsonObject out = new JsonObject();
    JsonArray errors = new JsonArray();
    Message m = message();
    m.rawResponseConsumer(r -> {
      out.add("status", r.getResponseStatusLine().getStatusCode());
      out.add("response_type", r.getResponseHeaders().getFirstHeaderValue("Content-Type"));
      if (r.getResponseContent() != null) {
        out.add("response", Base64.getEncoder().encodeToString(r.getResponseContent()));
      }
    });
    m.signalMsgConsumer((signal, meta, state) -> {
      if (signal.getReceipt() != null) {
        out.add("receipt_for", signal.getMessageInfo().getRefToMessageId());
      }
      for (Ebms3Error e : signal.getError()) {
        errors.add(new JsonObject().add("code", e.getErrorCode()).add("severity", e.getSeverity())
            .add("description", e.getDescription() == null ? null : e.getDescriptionValue()).add("detail", e.getErrorDetail()));
      }
    });
    m.signalMsgValidationResultHdl(new IAS4SignalMessageValidationResultHandler() {
      @Override
      public void onSuccess() {
        out.add("receipt", "valid");
      }

      @Override
      public void onError(String why) {
        out.add("receipt", "invalid: " + why);
      }

      @Override
      public void onNotApplicable() {
        out.add("receipt", "none");
      }
    });
    StringBuilder failure = new StringBuilder();
    EAS4UserMessageSendResult r = m.sendMessageAndCheckForReceipt(e -> {
      for (Throwable t = e; t != null; t = t.getCause()) {
        failure.append(t).append("; ");
      }
    });
    out.add("result", r.name()).add("errors", errors);
    if (failure.length() > 0) {
      out.add("exception", failure.toString());
    }
    return out;
  }
}
