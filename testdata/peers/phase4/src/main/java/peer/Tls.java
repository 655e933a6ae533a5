package peer;

import com.helger.http.tls.ETLSVersion;
import com.helger.http.tls.TLSConfigurationMode;
import com.helger.httpclient.HttpClientSettings;
import com.helger.json.IJsonObject;
import java.security.SecureRandom;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** How a station connects to a server with TLS. */
final class Tls {
  private Tls() {}

  static HttpClientSettings settings(IJsonObject c) throws Exception {
    TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(Keys.trust(c.getAsString("trust")));
    KeyManager[] own = null;
    IJsonObject client = c.getAsObject("client");
    if (client != null) {
      KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
      keys.init(Keys.store(client.getAsString("certificate"), client.getAsString("key")), Keys.PASSWORD);
      own = keys.getKeyManagers();
    }
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(own, trust.getTrustManagers(), new SecureRandom());
    ETLSVersion version = c.getAsString("version").equals("1.2") ? ETLSVersion.TLS_12 : ETLSVersion.TLS_13;
    return new HttpClientSettings().setSSLContext(context)
        .setTLSConfigurationMode(new TLSConfigurationMode(new ETLSVersion[] {version}, new String[0]));
  }
}
