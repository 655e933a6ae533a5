package peer;

import com.helger.base.debug.GlobalDebug;
import com.helger.json.IJsonObject;
import com.helger.json.JsonObject;
import com.helger.json.serialize.JsonReader;
import com.helger.phase4.incoming.AS4ServerInitializer;
import com.helger.photon.io.WebFileIO;
import com.helger.web.scope.mgr.WebScopeManager;
import com.helger.web.scope.mgr.WebScoped;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.security.Security;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.util.thread.QueuedThreadPool;

/**
 * An independent AS4 stack for the tests: phase4 as access points, WSS4J alone as
 * signer and verifier. It listens on loopback, prints its address as one line of
 * JSON, takes commands at /control, and ends with its standard input.
 */
public final class Peer extends HttpServlet {
  private static final Logger SIGNATURES = Logger.getLogger("org.apache.jcp.xml.dsig");

  private final transient Stations stations;

  private Peer(Stations stations) {
    this.stations = stations;
  }

  public static void main(String[] args) throws Exception {
    File data = Files.createTempDirectory("peer").toFile();
    // phase4's managers in memory; it asks for a data path all the same.
    System.setProperty("global.debug", "false");
    System.setProperty("global.production", "true");
    System.setProperty("global.nostartupinfo", "true");
    System.setProperty("global.datapath", data.getPath());
    System.setProperty("phase4.manager.inmemory", "true");
    System.setProperty("phase4.default.profile", Profiles.RSA);
    // Messages without octets to sign are no news.
    SIGNATURES.setLevel(Level.SEVERE);
    Security.addProvider(new BouncyCastleProvider());

    Server server = new Server(new QueuedThreadPool(64));
    ServerConnector connector = new ServerConnector(server);
    connector.setHost("127.0.0.1");
    connector.setPort(0);
    server.addConnector(connector);
    ServletContextHandler context = new ServletContextHandler("/");
    server.setHandler(context);
    // phase4 keeps its state in a scope that is bound to the servlet context.
    WebScopeManager.onGlobalBegin(context.getServletContext());
    GlobalDebug.setDebugModeDirect(false);
    GlobalDebug.setProductionModeDirect(true);
    WebFileIO.initPaths(data, data.getPath(), false);
    AS4ServerInitializer.initAS4Server();

    Stations stations = new Stations();
    context.addServlet(new ServletHolder(new Endpoint(stations)), "/as4/*");
    context.addServlet(new ServletHolder(new Peer(stations)), "/control");
    server.start();
    stations.address = "http://127.0.0.1:" + connector.getLocalPort() + "/as4/";
    System.out.println(new JsonObject().add("control", "http://127.0.0.1:" + connector.getLocalPort() + "/control").getAsJsonString());
    System.out.flush();

    while (System.in.read() >= 0) {
      // nothing is said here: the end is the message
    }
    server.stop();
    AS4ServerInitializer.shutdownAS4Server();
    WebScopeManager.onGlobalEnd();
    System.exit(0);
  }

  @Override
  protected void doPost(HttpServletRequest req, HttpServletResponse res) throws IOException {
    String text = new String(req.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    IJsonObject answer;
    try (WebScoped scope = new WebScoped(req, res)) {
      answer = command(JsonReader.readFromString(text).getAsObject());
    } catch (Throwable e) {
      StringBuilder causes = new StringBuilder();
      for (Throwable t = e; t != null; t = t.getCause()) {
        causes.append(t).append(" at ").append(t.getStackTrace()[0]).append("; ");
      }
      answer = new JsonObject().add("failure", causes.toString());
    }
    res.setContentType("application/json");
    res.getOutputStream().write(answer.getAsJsonString().getBytes(StandardCharsets.UTF_8));
  }

  private IJsonObject command(IJsonObject c) throws Exception {
    String what = c.getAsString("do");
    switch (what) {
      case "station":
        return stations.open(c);
      case "received":
        return stations.get(c).received();
      case "close":
        return stations.close(c);
      case "send":
        return new Sending(stations.get(c), c).send();
      case "pull":
        return new Pulling(stations.get(c), c).pull();
      case "send-many":
        return Bench.send(stations, c);
      case "usage":
        return Bench.usage();
      case "seal":
        return Soap.seal(c);
      case "open":
        return Soap.open(c);
      default:
        throw new IllegalArgumentException("unknown command " + what);
    }
  }
}
