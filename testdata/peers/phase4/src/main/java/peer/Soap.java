package peer;

import com.helger.json.IJson;
import com.helger.json.IJsonObject;
import com.helger.json.JsonArray;
import com.helger.json.JsonObject;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import javax.crypto.SecretKey;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.CallbackHandler;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.transform.OutputKeys;
import javax.xml.transform.Transformer;
import javax.xml.transform.TransformerFactory;
import javax.xml.transform.dom.DOMSource;
import javax.xml.transform.stream.StreamResult;
import org.apache.wss4j.common.WSEncryptionPart;
import org.apache.wss4j.common.WSS4JConstants;
import org.apache.wss4j.common.bsp.BSPRule;
import org.apache.wss4j.common.crypto.Merlin;
import org.apache.wss4j.common.ext.Attachment;
import org.apache.wss4j.common.ext.AttachmentRequestCallback;
import org.apache.wss4j.common.ext.AttachmentResultCallback;
import org.apache.wss4j.common.ext.WSPasswordCallback;
import org.apache.wss4j.common.util.KeyUtils;
import org.apache.wss4j.dom.WSConstants;
import org.apache.wss4j.dom.WSDataRef;
import org.apache.wss4j.dom.engine.WSSConfig;
import org.apache.wss4j.dom.engine.WSSecurityEngine;
import org.apache.wss4j.dom.engine.WSSecurityEngineResult;
import org.apache.wss4j.dom.handler.RequestData;
import org.apache.wss4j.dom.handler.WSHandlerResult;
import org.apache.wss4j.dom.message.WSSecEncrypt;
import org.apache.wss4j.dom.message.WSSecHeader;
import org.apache.wss4j.dom.message.WSSecSignature;
import org.apache.xml.security.encryption.params.HKDFParams;
import org.w3c.dom.Document;
import org.w3c.dom.Element;

/**
 * WSS4J without phase4: secures any envelope with attachments, however wrong its
 * header is, and checks the security of what others made.
 */
final class Soap {
  private static final String SOAP = "http://www.w3.org/2003/05/soap-envelope";
  private static final String EB = "http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/";
  private static final String X25519 = "http://www.w3.org/2021/04/xmldsig-more#x25519";
  private static final String HKDF = "http://www.w3.org/2021/04/xmldsig-more#hkdf";
  private static final String HMAC = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256";

  private Soap() {}

  /** A part on the wire. */
  private static final class Part {
    final String id;
    final String type;
    final byte[] content;

    Part(String id, String type, byte[] content) {
      this.id = id;
      this.type = type;
      this.content = content;
    }
  }

  /** Hands attachments to WSS4J and takes what it made of them. */
  private static final class Attachments implements CallbackHandler {
    final List<Part> parts = new ArrayList<>();

    @Override
    public void handle(Callback[] callbacks) throws IOException {
      for (Callback c : callbacks) {
        if (c instanceof AttachmentRequestCallback) {
          AttachmentRequestCallback r = (AttachmentRequestCallback) c;
          List<Attachment> all = new ArrayList<>();
          for (Part p : parts) {
            if (r.getAttachmentId().equals("Attachments") || r.getAttachmentId().equals(p.id)) {
              Attachment a = new Attachment();
              a.setId(p.id);
              a.setMimeType(p.type);
              a.setSourceStream(new ByteArrayInputStream(p.content));
              all.add(a);
            }
          }
          r.setAttachments(all);
        } else if (c instanceof AttachmentResultCallback) {
          AttachmentResultCallback r = (AttachmentResultCallback) c;
          Attachment a = r.getAttachment();
          Part made = new Part(r.getAttachmentId(), a.getMimeType(), a.getSourceStream().readAllBytes());
          for (int i = 0; i < parts.size(); i++) {
            if (parts.get(i).id.equals(made.id)) {
              parts.set(i, made);
            }
          }
        }
      }
    }
  }

  private static Document parse(byte[] xml) throws Exception {
    DocumentBuilderFactory f = DocumentBuilderFactory.newInstance();
    f.setNamespaceAware(true);
    return f.newDocumentBuilder().parse(new ByteArrayInputStream(xml));
  }

  private static Merlin crypto(IJsonObject identity, String trust) throws Exception {
    Merlin m = new Merlin();
    if (identity != null) {
      m.setKeyStore(Keys.store(identity.getAsString("certificate"), identity.getAsString("key")));
    }
    if (trust != null) {
      m.setTrustStore(Keys.trust(trust));
    }
    return m;
  }

  private static int token(String name) {
    switch (name) {
      case "bst":
      case "pkipath":
        return WSConstants.BST_DIRECT_REFERENCE;
      case "ski":
        return WSConstants.SKI_KEY_IDENTIFIER;
      case "issuer-serial":
        return WSConstants.ISSUER_SERIAL;
      case "thumbprint":
        return WSConstants.THUMBPRINT_IDENTIFIER;
      default:
        throw new IllegalArgumentException("unknown token " + name);
    }
  }

  /** Signs, then encrypts where a recipient is named, and writes the MIME body to a file. */
  static IJsonObject seal(IJsonObject c) throws Exception {
    WSSConfig.init();
    Document doc = parse(Files.readAllBytes(Path.of(c.getAsString("envelope"))));
    Attachments attachments = new Attachments();
    for (IJson p : c.getAsArray("parts")) {
      IJsonObject o = p.getAsObject();
      attachments.parts.add(new Part(o.getAsString("id"), o.getAsString("type"), Files.readAllBytes(Path.of(o.getAsString("file")))));
    }
    WSSecHeader header = new WSSecHeader(doc);
    header.insertSecurityHeader();
    if (c.getAsObject("sign") != null) {
      WSSecSignature s = new WSSecSignature(header);
      s.setKeyIdentifierType(token(c.getAsString("sign_token", "bst")));
      s.setUseSingleCertificate(!c.getAsString("sign_token", "bst").equals("pkipath"));
      s.setUserInfo(Keys.ALIAS, new String(Keys.PASSWORD));
      s.setSignatureAlgorithm(c.getAsString("signature", "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"));
      s.setDigestAlgo(c.getAsString("digest", WSS4JConstants.SHA256));
      s.setSigCanonicalization(WSS4JConstants.C14N_EXCL_OMIT_COMMENTS);
      s.getParts().add(new WSEncryptionPart("Messaging", EB, "Content"));
      s.getParts().add(new WSEncryptionPart("Body", SOAP, "Content"));
      if (!attachments.parts.isEmpty()) {
        s.getParts().add(new WSEncryptionPart("cid:Attachments", "Content"));
        s.setAttachmentCallbackHandler(attachments);
      }
      s.build(crypto(c.getAsObject("sign"), null));
    }
    boolean encrypted = c.getAsString("recipient") != null && !attachments.parts.isEmpty();
    if (encrypted) {
      X509Certificate recipient = Keys.certificate(c.getAsString("recipient"));
      WSSecEncrypt e = new WSSecEncrypt(header);
      e.setKeyIdentifierType(token(c.getAsString("encrypt_token", "bst")));
      e.setUseThisCert(recipient);
      e.setSymmetricEncAlgorithm(c.getAsString("data", WSS4JConstants.AES_128_GCM));
      switch (c.getAsString("profile", Profiles.RSA)) {
        case Profiles.RSA:
          e.setKeyEncAlgo(c.getAsString("transport", WSS4JConstants.KEYTRANSPORT_RSAOAEP_XENC11));
          e.setMGFAlgorithm(c.getAsString("mgf", WSS4JConstants.MGF_SHA256));
          e.setDigestAlgorithm(c.getAsString("oaep_digest", WSS4JConstants.SHA256));
          break;
        case Profiles.EDDSA:
          agree(e, X25519);
          break;
        default:
          agree(e, WSS4JConstants.AGREEMENT_METHOD_ECDH_ES);
      }
      e.getParts().add(new WSEncryptionPart("cid:Attachments", "Content"));
      e.setAttachmentCallbackHandler(attachments);
      SecretKey key = KeyUtils.getKeyGenerator(e.getSymmetricEncAlgorithm()).generateKey();
      e.build(crypto(null, c.getAsString("recipient")), key);
    }
    return write(c.getAsString("out"), doc, attachments.parts, encrypted);
  }

  private static void agree(WSSecEncrypt e, String method) {
    e.setKeyEncAlgo(WSS4JConstants.KEYWRAP_AES128);
    e.setKeyAgreementMethod(method);
    e.setKeyDerivationMethod(HKDF);
    e.setKeyDerivationParameters(HKDFParams.createBuilder(128, HMAC).build());
  }

  private static IJsonObject write(String file, Document doc, List<Part> parts, boolean encrypted) throws Exception {
    ByteArrayOutputStream envelope = new ByteArrayOutputStream();
    Transformer t = TransformerFactory.newInstance().newTransformer();
    t.setOutputProperty(OutputKeys.ENCODING, "UTF-8");
    t.transform(new DOMSource(doc), new StreamResult(envelope));
    if (parts.isEmpty()) {
      Files.write(Path.of(file), envelope.toByteArray());
      return new JsonObject().add("content_type", "application/soap+xml;charset=UTF-8");
    }
    String boundary = "----=_peer_" + HexFormat.of().formatHex(new java.security.SecureRandom().generateSeed(12));
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    text(out, "--" + boundary + "\r\nContent-Type: application/soap+xml;charset=UTF-8\r\nContent-Transfer-Encoding: binary\r\n\r\n");
    envelope.writeTo(out);
    for (Part p : parts) {
      text(out, "\r\n--" + boundary + "\r\nContent-Type: " + (encrypted ? "application/octet-stream" : p.type)
          + "\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <" + p.id + ">\r\n\r\n");
      out.write(p.content);
    }
    text(out, "\r\n--" + boundary + "--\r\n");
    Files.write(Path.of(file), out.toByteArray());
    return new JsonObject().add("content_type", "multipart/related; type=\"application/soap+xml\"; boundary=\"" + boundary + "\"");
  }

  private static void text(ByteArrayOutputStream out, String s) throws IOException {
    out.write(s.getBytes(StandardCharsets.US_ASCII));
  }

  /** Decrypts and verifies; says what the signature covers and what the parts are. */
  static IJsonObject open(IJsonObject c) throws Exception {
    WSSConfig.init();
    byte[] body = Files.readAllBytes(Path.of(c.getAsString("file")));
    Attachments attachments = new Attachments();
    byte[] envelope = Mime.read(c.getAsString("content_type"), body, (id, type, content) -> attachments.parts.add(new Part(id, type, content)));
    Document doc = parse(envelope);

    RequestData d = new RequestData();
    d.setWssConfig(WSSConfig.getNewInstance());
    d.setSigVerCrypto(crypto(null, c.getAsString("trust")));
    d.setDecCrypto(crypto(c.getAsObject("decrypt"), c.getAsString("trust")));
    d.setAttachmentCallbackHandler(attachments);
    d.setCallbackHandler(callbacks -> {
      for (Callback cb : callbacks) {
        if (cb instanceof WSPasswordCallback) {
          ((WSPasswordCallback) cb).setPassword(new String(Keys.PASSWORD));
        }
      }
    });
    // The basic security profile knows neither attachments of this kind nor these algorithms.
    d.setIgnoredBSPRules(List.of(BSPRule.R5404, BSPRule.R5406));
    WSHandlerResult all = new WSSecurityEngine().processSecurityHeader(doc, d);

    JsonArray signed = new JsonArray();
    JsonObject out = new JsonObject();
    for (WSSecurityEngineResult r : all.getResults()) {
      int action = (Integer) r.get(WSSecurityEngineResult.TAG_ACTION);
      if (action == WSConstants.SIGN) {
        X509Certificate signer = (X509Certificate) r.get(WSSecurityEngineResult.TAG_X509_CERTIFICATE);
        out.add("signer", signer.getSubjectX500Principal().getName());
        out.add("signature", (String) r.get(WSSecurityEngineResult.TAG_SIGNATURE_METHOD));
        for (WSDataRef ref : refs(r)) {
          Element e = ref.getProtectedElement();
          signed.add(new JsonObject().add("name", e == null ? null : e.getLocalName()).add("uri", ref.getWsuId())
              .add("digest", ref.getDigestAlgorithm()));
        }
      } else if (action == WSConstants.ENCR) {
        out.add("transport", (String) r.get(WSSecurityEngineResult.TAG_ENCRYPTED_KEY_TRANSPORT_METHOD));
        out.add("encrypted", refs(r).size());
      }
    }
    out.add("signed", signed);
    JsonArray parts = new JsonArray();
    for (Part p : attachments.parts) {
      parts.add(new JsonObject().add("id", p.id).add("type", p.type)
          .add("content", Base64.getEncoder().encodeToString(p.content)));
    }
    return out.add("parts", parts);
  }

  @SuppressWarnings("unchecked")
  private static List<WSDataRef> refs(WSSecurityEngineResult r) {
    List<WSDataRef> l = (List<WSDataRef>) r.get(WSSecurityEngineResult.TAG_DATA_REF_URIS);
    return l == null ? Collections.emptyList() : l;
  }
}
