package oncegate;

import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.List;
import java.util.TreeSet;
import javax.security.auth.callback.Callback;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.transform.TransformerFactory;
import javax.xml.transform.dom.DOMSource;
import javax.xml.transform.stream.StreamResult;
import org.apache.wss4j.common.WSEncryptionPart;
import org.apache.wss4j.common.crypto.Merlin;
import org.apache.wss4j.common.ext.WSPasswordCallback;
import org.apache.wss4j.dom.WSConstants;
import org.apache.wss4j.dom.WSDataRef;
import org.apache.wss4j.dom.engine.WSSConfig;
import org.apache.wss4j.dom.engine.WSSecurityEngine;
import org.apache.wss4j.dom.engine.WSSecurityEngineResult;
import org.apache.wss4j.dom.handler.RequestData;
import org.apache.wss4j.dom.message.WSSecHeader;
import org.apache.wss4j.dom.message.WSSecSignature;
import org.apache.wss4j.dom.message.WSSecTimestamp;
import org.w3c.dom.Document;

/**
 * Opens and seals SOAP messages with WSS4J.
 *
 * <p>Wss open CERTIFICATE PASSWORD: verifies the message on standard input, the Basic Security
 * Profile included; prints the local names of what was signed and of the tokens that were checked.
 *
 * <p>Wss seal KEY CERTIFICATE REFERENCE SPACE: signs Body and Timestamp of the envelope on
 * standard input; REFERENCE is bst, x509, ski or serial, SPACE the namespace of the envelope.
 */
public final class Wss {
  public static void main(String[] args) throws Exception {
    WSSConfig.init();
    DocumentBuilderFactory f = DocumentBuilderFactory.newInstance();
    f.setNamespaceAware(true);
    Document doc = f.newDocumentBuilder().parse(new ByteArrayInputStream(System.in.readAllBytes()));
    if (args[0].equals("open")) {
      open(doc, args[1], args[2]);
    } else {
      seal(doc, args[1], args[2], args[3], args[4]);
    }
  }

  private static X509Certificate certificate(String file) throws Exception {
    return (X509Certificate)
        CertificateFactory.getInstance("X.509")
            .generateCertificate(new ByteArrayInputStream(Files.readAllBytes(Path.of(file))));
  }

  private static void open(Document doc, String cert, String password) throws Exception {
    KeyStore trust = KeyStore.getInstance("PKCS12");
    trust.load(null, null);
    trust.setCertificateEntry("client", certificate(cert));
    Merlin crypto = new Merlin();
    crypto.setTrustStore(trust);
    RequestData data = new RequestData();
    data.setSigVerCrypto(crypto);
    data.setCallbackHandler(
        callbacks -> {
          for (Callback c : callbacks) {
            ((WSPasswordCallback) c).setPassword(password);
          }
        });
    TreeSet<String> found = new TreeSet<>();
    for (WSSecurityEngineResult r : new WSSecurityEngine().processSecurityHeader(doc, data).getResults()) {
      @SuppressWarnings("unchecked")
      List<WSDataRef> refs = (List<WSDataRef>) r.get(WSSecurityEngineResult.TAG_DATA_REF_URIS);
      int action = (Integer) r.get(WSSecurityEngineResult.TAG_ACTION);
      if (action == WSConstants.UT) {
        found.add("user");
      } else if (action == WSConstants.TS) {
        found.add("time");
      }
      if (refs != null) {
        refs.forEach(x -> found.add(x.getProtectedElement().getLocalName()));
      }
    }
    System.out.println(String.join(" ", found));
  }

  private static void seal(Document doc, String keyFile, String certFile, String reference, String space)
      throws Exception {
    String pem = Files.readString(Path.of(keyFile), StandardCharsets.US_ASCII);
    byte[] der = Base64.getMimeDecoder().decode(pem.replaceAll("-----[A-Z ]+-----", ""));
    PrivateKey key = KeyFactory.getInstance("RSA").generatePrivate(new PKCS8EncodedKeySpec(der));
    KeyStore store = KeyStore.getInstance("PKCS12");
    store.load(null, null);
    store.setKeyEntry("register", key, "x".toCharArray(), new Certificate[] {certificate(certFile)});
    Merlin crypto = new Merlin();
    crypto.setKeyStore(store);
    WSSecHeader header = new WSSecHeader(doc);
    header.insertSecurityHeader();
    WSSecTimestamp stamp = new WSSecTimestamp(header);
    stamp.setTimeToLive(300);
    stamp.build();
    WSSecSignature signature = new WSSecSignature(header);
    signature.setUserInfo("register", "x");
    signature.setKeyIdentifierType(
        switch (reference) {
          case "bst" -> WSConstants.BST_DIRECT_REFERENCE;
          case "x509" -> WSConstants.X509_KEY_IDENTIFIER;
          case "ski" -> WSConstants.SKI_KEY_IDENTIFIER;
          default -> WSConstants.ISSUER_SERIAL;
        });
    signature.setSignatureAlgorithm("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256");
    signature.setDigestAlgo("http://www.w3.org/2001/04/xmlenc#sha256");
    signature.getParts().add(new WSEncryptionPart("Body", space, ""));
    signature.getParts().add(new WSEncryptionPart("Timestamp", WSConstants.WSU_NS, ""));
    signature.build(crypto);
    TransformerFactory.newInstance().newTransformer().transform(new DOMSource(doc), new StreamResult(System.out));
  }
}
