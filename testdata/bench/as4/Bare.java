import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import javax.crypto.Cipher;

/** What a private-key operation with RSA costs in this JVM, in CPU time: half of it signs, half of it decrypts. */
public final class Bare {
  public static void main(String[] args) throws Exception {
    byte[] der = Base64.getMimeDecoder().decode(Files.readString(Path.of(args[0])).replaceAll("-----[A-Z ]+-----", ""));
    KeyFactory keys = KeyFactory.getInstance("RSA");
    PrivateKey key = keys.generatePrivate(new PKCS8EncodedKeySpec(der));
    var crt = (java.security.interfaces.RSAPrivateCrtKey) key;
    var pub = keys.generatePublic(new java.security.spec.RSAPublicKeySpec(crt.getModulus(), crt.getPublicExponent()));
    Signature signer = Signature.getInstance("SHA256withRSA");
    signer.initSign(key);
    Cipher cipher = Cipher.getInstance("RSA/ECB/OAEPWithSHA-256AndMGF1Padding");
    cipher.init(Cipher.ENCRYPT_MODE, pub);
    byte[] wrapped = cipher.doFinal(new byte[16]);
    cipher.init(Cipher.DECRYPT_MODE, key);
    ThreadMXBean threads = ManagementFactory.getThreadMXBean();
    long best = Long.MAX_VALUE;
    for (int round = 0; round < 8; round++) {
      long before = threads.getCurrentThreadCpuTime();
      for (int i = 0; i < 250; i++) {
        signer.update(der);
        signer.sign();
        cipher.doFinal(wrapped);
      }
      best = Math.min(best, threads.getCurrentThreadCpuTime() - before);
    }
    System.out.println("{\"rsa_us\":" + best / 500 / 1e3 + "}");
  }
}
