package peer;

import com.helger.json.IJsonObject;
import com.helger.json.JsonObject;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/** All access points of this process. */
final class Stations {
  private final Map<String, Station> open = new ConcurrentHashMap<>();
  private final AtomicInteger last = new AtomicInteger();
  volatile String address;

  IJsonObject open(IJsonObject c) throws Exception {
    String id = "s" + last.incrementAndGet();
    open.put(id, new Station(c));
    return new JsonObject().add("station", id).add("url", address + id);
  }

  IJsonObject close(IJsonObject c) {
    open.remove(c.getAsString("station"));
    return new JsonObject();
  }

  Station get(IJsonObject c) {
    return get(c.getAsString("station"));
  }

  Station get(String id) {
    Station s = open.get(id);
    if (s == null) {
      throw new IllegalArgumentException("no station " + id);
    }
    return s;
  }
}
