package peer;

import com.helger.json.IJsonObject;
import com.helger.json.JsonObject;
import com.helger.web.scope.mgr.WebScoped;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;

/** Many messages, and what the process spent on them. */
final class Bench {
  private Bench() {}

  /** The time of all processors and the memory that this process has used so far. */
  static IJsonObject usage() throws IOException {
    com.sun.management.OperatingSystemMXBean os =
        (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    JsonObject out = new JsonObject();
    out.add("cpu_ns", os.getProcessCpuTime()).add("wall_ns", System.nanoTime());
    for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
      String[] f = line.split("\\s+");
      if (f[0].equals("VmHWM:")) {
        out.add("peak_kb", Long.parseLong(f[1]));
      } else if (f[0].equals("VmRSS:")) {
        out.add("resident_kb", Long.parseLong(f[1]));
      }
    }
    return out;
  }

  /** Sends the message of a send command count times, each with an id of its own. A message counts once its receipt was verified. */
  static IJsonObject send(Stations stations, IJsonObject c) throws Exception {
    int count = c.getAsInt("count", 1);
    int concurrency = c.getAsInt("concurrency", 1);
    Station station = stations.get(c);
    AtomicInteger next = new AtomicInteger();
    AtomicInteger acknowledged = new AtomicInteger();
    IJsonObject before = usage();
    ExecutorService pool = Executors.newFixedThreadPool(concurrency);
    List<Future<Void>> workers = new ArrayList<>();
    for (int i = 0; i < concurrency; i++) {
      workers.add(pool.submit((Callable<Void>) () -> {
        while (next.getAndIncrement() < count) {
          try (WebScoped scope = new WebScoped()) {
            IJsonObject one = c.getClone();
            one.removeKey("message");
            one.add("message", UUID.randomUUID() + "@phase4.example.org");
            IJsonObject r = new Sending(station, one).send();
            if ("SUCCESS".equals(r.getAsString("result")) && "valid".equals(r.getAsString("receipt"))) {
              acknowledged.incrementAndGet();
            }
          }
        }
        return null;
      }));
    }
    for (Future<Void> w : workers) {
      w.get();
    }
    pool.shutdown();
    return new JsonObject().add("acknowledged", acknowledged.get()).add("before", before).add("after", usage());
  }
}
