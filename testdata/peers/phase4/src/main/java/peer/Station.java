package peer;

import com.helger.collection.commons.CommonsArrayList;
import com.helger.collection.commons.ICommonsList;
import com.helger.http.header.HttpHeaderMap;
import com.helger.json.IJsonObject;
import com.helger.json.JsonArray;
import com.helger.json.JsonObject;
import com.helger.phase4.attachment.AS4DecompressException;
import com.helger.phase4.attachment.WSS4JAttachment;
import com.helger.phase4.crypto.AS4CryptParams;
import com.helger.phase4.crypto.AS4CryptoFactoryInMemoryKeyStore;
import com.helger.phase4.crypto.AS4SigningParams;
import com.helger.phase4.crypto.ECryptoKeyIdentifierType;
import com.helger.phase4.ebms3header.Ebms3Property;
import com.helger.phase4.ebms3header.Ebms3SignalMessage;
import com.helger.phase4.ebms3header.Ebms3UserMessage;
import com.helger.phase4.error.AS4ErrorList;
import com.helger.phase4.incoming.AS4IncomingProfileSelectorConstant;
import com.helger.phase4.incoming.AS4RequestHandler;
import com.helger.phase4.incoming.IAS4IncomingMessageMetadata;
import com.helger.phase4.incoming.IAS4IncomingMessageState;
import com.helger.phase4.incoming.crypto.AS4IncomingSecurityConfiguration;
import com.helger.phase4.incoming.spi.AS4MessageProcessorResult;
import com.helger.phase4.incoming.spi.AS4SignalMessageProcessorResult;
import com.helger.phase4.incoming.spi.IAS4IncomingMessageProcessorSPI;
import com.helger.phase4.model.pmode.IPMode;
import java.io.InputStream;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.w3c.dom.Node;

/** One access point: its keys, whom it trusts, what it received. */
final class Station implements IAS4IncomingMessageProcessorSPI {
  final String profile;
  final boolean encrypted;
  final AS4CryptoFactoryInMemoryKeyStore signing;
  final AS4CryptoFactoryInMemoryKeyStore decrypting;
  private final String token;
  private final boolean counting;
  private final List<IJsonObject> inbox = new ArrayList<>();
  private long count;

  Station(IJsonObject c) throws Exception {
    profile = c.getAsString("profile");
    encrypted = c.getAsBoolean("encrypted", true);
    token = c.getAsString("token", "bst");
    counting = c.getAsBoolean("counting", false);
    KeyStore trust = Keys.trust(c.getAsString("trust"));
    signing = factory(c.getAsObject("sign"), trust);
    decrypting = factory(c.getAsObject("decrypt"), trust);
  }

  private static AS4CryptoFactoryInMemoryKeyStore factory(IJsonObject identity, KeyStore trust) throws Exception {
    return new AS4CryptoFactoryInMemoryKeyStore(
        Keys.store(identity.getAsString("certificate"), identity.getAsString("key")), Keys.ALIAS, Keys.PASSWORD, trust);
  }

  AS4SigningParams signingParams(String token) {
    AS4SigningParams p = new AS4SigningParams();
    p.setAlgorithmSign(Profiles.signature(profile));
    p.setAlgorithmSignDigest(com.helger.phase4.crypto.ECryptoAlgorithmSignDigest.DIGEST_SHA_256);
    p.setKeyIdentifierType(token(token));
    p.setUseSingleCertificate(!token.equals("pkipath"));
    return p;
  }

  AS4CryptParams cryptParams(String token) {
    AS4CryptParams p = new AS4CryptParams();
    p.setAlgorithmCrypt(com.helger.phase4.crypto.ECryptoAlgorithmCrypt.AES_128_GCM);
    p.setKeyIdentifierType(token(token));
    if (profile.equals(Profiles.EDDSA)) {
      p.setEDelivery2KeyAgreementX25519();
    } else if (profile.equals(Profiles.ECDSA)) {
      p.setEDelivery2KeyAgreementECDHES();
    }
    return p;
  }

  private static ECryptoKeyIdentifierType token(String name) {
    switch (name) {
      case "bst":
      case "pkipath":
        return ECryptoKeyIdentifierType.BST_DIRECT_REFERENCE;
      case "ski":
        return ECryptoKeyIdentifierType.SKI_KEY_IDENTIFIER;
      case "issuer-serial":
        return ECryptoKeyIdentifierType.ISSUER_SERIAL;
      case "thumbprint":
        return ECryptoKeyIdentifierType.THUMBPRINT_IDENTIFIER;
      default:
        throw new IllegalArgumentException("unknown token " + name);
    }
  }

  /** Makes the handler of one request work for this access point. */
  void equip(AS4RequestHandler h) {
    h.setCryptoFactorySign(signing);
    h.setCryptoFactoryCrypt(decrypting);
    h.setIncomingProfileSelector(new AS4IncomingProfileSelectorConstant(profile, false));
    h.setPModeResolver((id, service, action, initiator, responder, agreement, address) ->
        Profiles.pmode(profile, encrypted, service, action, initiator, responder, address));
    h.setIncomingSecurityConfiguration(
        new AS4IncomingSecurityConfiguration().setSigningParams(signingParams(token)).setCryptParams(cryptParams(token)));
    h.setProcessorSupplier(() -> new CommonsArrayList<IAS4IncomingMessageProcessorSPI>(this));
  }

  @Override
  public AS4MessageProcessorResult processAS4UserMessage(IAS4IncomingMessageMetadata meta, HttpHeaderMap headers, Ebms3UserMessage m,
      IPMode pmode, Node body, ICommonsList<WSS4JAttachment> attachments, IAS4IncomingMessageState state, AS4ErrorList errors) {
    if (counting) {
      drain(attachments);
      synchronized (this) {
        count++;
      }
      return AS4MessageProcessorResult.createSuccess();
    }
    JsonObject got = new JsonObject();
    got.add("message", m.getMessageInfo().getMessageId());
    got.add("ref_to", m.getMessageInfo().getRefToMessageId());
    got.add("conversation", m.getCollaborationInfo().getConversationId());
    got.add("service", m.getCollaborationInfo().getServiceValue());
    got.add("action", m.getCollaborationInfo().getAction());
    got.add("agreement", m.getCollaborationInfo().getAgreementRef() == null ? null : m.getCollaborationInfo().getAgreementRefValue());
    got.add("from", m.getPartyInfo().getFrom().getPartyIdAtIndex(0).getValue());
    got.add("to", m.getPartyInfo().getTo().getPartyIdAtIndex(0).getValue());
    got.add("ping", state.isPingMessage());
    got.add("signed", state.isSoapSignatureChecked());
    got.add("decrypted", state.isSoapDecrypted());
    if (state.getSigningCertificate() != null) {
      got.add("signer", state.getSigningCertificate().getSubjectX500Principal().getName());
      got.add("sign_token", String.valueOf(state.getSigningCertificateReferenceType()));
    }
    if (state.getDecryptingCertificate() != null) {
      got.add("encrypt_token", String.valueOf(state.getDecryptingCertificateReferenceType()));
    }
    JsonArray properties = new JsonArray();
    if (m.getMessageProperties() != null) {
      for (Ebms3Property p : m.getMessageProperties().getProperty()) {
        properties.add(new JsonObject().add("name", p.getName()).add("type", p.getType()).add("value", p.getValue()));
      }
    }
    got.add("properties", properties);
    JsonArray parts = new JsonArray();
    for (WSS4JAttachment a : attachments) {
      parts.add(part(a));
    }
    got.add("parts", parts);
    synchronized (this) {
      count++;
      inbox.add(got);
    }
    return AS4MessageProcessorResult.createSuccess();
  }

  private static void drain(ICommonsList<WSS4JAttachment> attachments) {
    byte[] buffer = new byte[1 << 16];
    for (WSS4JAttachment a : attachments) {
      try (InputStream in = a.getSourceStream()) {
        while (in.read(buffer) >= 0) {
          // read, as any consumer does
        }
      } catch (java.io.IOException e) {
        throw new java.io.UncheckedIOException(e);
      }
    }
  }

  private static IJsonObject part(WSS4JAttachment a) {
    try (InputStream in = a.getSourceStream()) {
      MessageDigest d = MessageDigest.getInstance("SHA-256");
      byte[] buffer = new byte[1 << 16];
      long size = 0;
      for (int n; (n = in.read(buffer)) >= 0; size += n) {
        d.update(buffer, 0, n);
      }
      return new JsonObject().add("id", a.getId()).add("type", a.getUncompressedMimeType())
          .add("charset", a.hasCharset() ? a.getCharset().name() : null).add("compressed", a.hasCompressionMode())
          .add("size", size).add("sha256", HexFormat.of().formatHex(d.digest()));
    } catch (AS4DecompressException e) {
      throw Station.<RuntimeException>as(e); // phase4 has an error code for it, if it sees it
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  @SuppressWarnings("unchecked")
  private static <T extends Exception> T as(Exception e) throws T {
    throw (T) e;
  }

  @Override
  public AS4SignalMessageProcessorResult processAS4SignalMessage(IAS4IncomingMessageMetadata meta, HttpHeaderMap headers,
      Ebms3SignalMessage signal, IPMode pmode, IAS4IncomingMessageState state, AS4ErrorList errors) {
    return AS4SignalMessageProcessorResult.createSuccess();
  }

  @Override
  public void processAS4ResponseMessage(IAS4IncomingMessageMetadata meta, IAS4IncomingMessageState state, String id, byte[] answer,
      boolean available, AS4ErrorList errors) {
    // the other side judges the answer
  }

  /** What came in since the last call. */
  synchronized IJsonObject received() {
    JsonArray all = new JsonArray();
    inbox.forEach(all::add);
    inbox.clear();
    return new JsonObject().add("messages", all).add("count", count);
  }
}
