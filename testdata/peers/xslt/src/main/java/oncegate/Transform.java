package oncegate;

import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.xml.transform.stream.StreamSource;
import net.sf.saxon.s9api.Processor;
import net.sf.saxon.s9api.SaxonApiException;
import net.sf.saxon.s9api.Serializer;
import net.sf.saxon.s9api.XsltExecutable;

/**
 * Transforms documents, from bytes to bytes, with a stylesheet that was compiled once.
 *
 * <p>Transform SHEET DOCUMENT...: writes DOCUMENT.saxon.xml for each document and the line
 * "ready"; then, for each line "N SECONDS" on standard input, transforms document N for so
 * long and writes how often it did and the CPU seconds that this thread took for it. What the
 * collector and the compiler do beside it is not counted.
 */
public final class Transform {
  private final Processor processor = new Processor(false);
  private final XsltExecutable sheet;

  private Transform(File sheet) throws SaxonApiException {
    this.sheet = processor.newXsltCompiler().compile(new StreamSource(sheet));
  }

  private byte[] run(byte[] document) throws SaxonApiException {
    ByteArrayOutputStream out = new ByteArrayOutputStream(document.length);
    Serializer to = processor.newSerializer(out);
    sheet.load30().transform(new StreamSource(new ByteArrayInputStream(document)), to);
    return out.toByteArray();
  }

  public static void main(String[] args) throws Exception {
    Transform t = new Transform(new File(args[0]));
    List<byte[]> documents = new ArrayList<>();
    for (int i = 1; i < args.length; i++) {
      byte[] document = Files.readAllBytes(Path.of(args[i]));
      documents.add(document);
      Files.write(Path.of(args[i] + ".saxon.xml"), t.run(document));
    }
    System.out.println("ready");
    BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      String[] f = line.split(" ");
      byte[] document = documents.get(Integer.parseInt(f[0]));
      long length = (long) (Double.parseDouble(f[1]) * 1e9);
      long count = 0;
      long begin = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
      for (long end = System.nanoTime() + length; System.nanoTime() < end; count++) {
        t.run(document);
      }
      long cpu = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() - begin;
      System.out.printf("%d %d%n", count, cpu);
    }
  }
}
