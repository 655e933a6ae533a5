package peer;

import java.io.ByteArrayInputStream;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;

/** Key stores in memory from the PEM files of a test. */
final class Keys {
  static final String ALIAS = "own";
  static final char[] PASSWORD = "throwaway".toCharArray();

  private Keys() {}

  private static Certificate[] certificates(String file) throws Exception {
    CertificateFactory f = CertificateFactory.getInstance("X.509", "BC");
    return f.generateCertificates(new ByteArrayInputStream(Files.readAllBytes(Path.of(file)))).toArray(new Certificate[0]);
  }

  static X509Certificate certificate(String file) throws Exception {
    return (X509Certificate) certificates(file)[0];
  }

  /** A store with one key and its chain, leaf first. */
  static KeyStore store(String chain, String key) throws Exception {
    PrivateKey secret;
    try (PEMParser p = new PEMParser(new StringReader(Files.readString(Path.of(key))))) {
      secret = new JcaPEMKeyConverter().setProvider("BC").getPrivateKey((PrivateKeyInfo) p.readObject());
    }
    KeyStore s = empty();
    s.setKeyEntry(ALIAS, secret, PASSWORD, certificates(chain));
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
    KeyStore s = KeyStore.getInstance("PKCS12", "BC");
    s.load(null, null);
    return s;
  }
}
