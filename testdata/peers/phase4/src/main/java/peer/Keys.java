package peer;

import java.io.ByteArrayInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;

/** Key stores in memory from the PEM files of a test. */
final class Keys {
  static final String ALIAS = "own";
  static final char[] PASSWORD = "throwaway".toCharArray();

  private Keys() {}

  private static Certificate[] certificates(String file) throws Exception {
    CertificateFactory f = CertificateFactory.getInstance("X.509");
    return f.generateCertificates(new ByteArrayInputStream(Files.readAllBytes(Path.of(file)))).toArray(new Certificate[0]);
  }

  static X509Certificate certificate(String file) throws Exception {
    return (X509Certificate) certificates(file)[0];
  }

  /** A store with one key and its chain, leaf first. */
  static KeyStore store(String chain, String key) throws Exception {
    Certificate[] certificates = certificates(chain);
    byte[] der = Base64.getMimeDecoder().decode(Files.readString(Path.of(key)).replaceAll("-----[A-Z ]+-----", ""));
    KeyFactory f = KeyFactory.getInstance(certificates[0].getPublicKey().getAlgorithm());
    KeyStore s = empty();
    s.setKeyEntry(ALIAS, f.generatePrivate(new PKCS8EncodedKeySpec(der)), PASSWORD, certificates);
    return s;
  }

  static KeyStore trust(String file) throws Exception {
    KeyStore s = empty();
    int n = 0;
    for (Certificate c : certificates(file)) {
      s.setCertificateEntry("trusted" + n++, c);
    }
    return s;
  }

  private static KeyStore empty() throws Exception {
    KeyStore s = KeyStore.getInstance("PKCS12");
    s.load(null, null);
    return s;
  }
}
