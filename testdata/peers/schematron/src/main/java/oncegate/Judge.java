package oncegate;

import java.io.BufferedInputStream;
import java.io.ByteArrayInputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.File;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.StringJoiner;
import javax.xml.transform.stream.StreamSource;
import net.sf.saxon.s9api.Processor;
import net.sf.saxon.s9api.QName;
import net.sf.saxon.s9api.SaxonApiException;
import net.sf.saxon.s9api.XdmDestination;
import net.sf.saxon.s9api.XdmNode;
import net.sf.saxon.s9api.XdmNodeKind;
import net.sf.saxon.s9api.Xslt30Transformer;
import net.sf.saxon.s9api.XsltExecutable;

/**
 * Judges documents by Schematron schemas.
 *
 * <p>Judge serve: on standard input, frames of [int n][n bytes: schema files, one a line]
 * [int m][m bytes: document]; for each, a frame [int k][k bytes] on standard output, one line
 * a failed assertion or successful report: id TAB role TAB flag, or a line beginning with !
 * and a message where the document could not be judged.
 *
 * <p>Judge bench SECONDS SCHEMAS DOCUMENT...: every document against every schema, over and
 * over, first with its parsing, then parsed before; prints messages and the CPU seconds of the
 * judging thread for each, after a warm-up of the same length.
 */
public final class Judge {
  private static final QName ID = new QName("id");
  private static final QName ROLE = new QName("role");
  private static final QName FLAG = new QName("flag");

  private final Processor processor = new Processor(false);
  private final Map<String, XsltExecutable> sheets = new HashMap<>();

  private XsltExecutable sheet(String file) throws SaxonApiException {
    XsltExecutable x = sheets.get(file);
    if (x == null) {
      String pipeline = Judge.class.getResource("/xslt/2.0/pipeline-for-svrl.xsl").toExternalForm();
      XdmDestination compiled = new XdmDestination();
      processor.newXsltCompiler().compile(new StreamSource(pipeline)).load30()
          .transform(new StreamSource(new File(file)), compiled);
      x = processor.newXsltCompiler().compile(compiled.getXdmNode().asSource());
      sheets.put(file, x);
    }
    return x;
  }

  private XdmNode judge(String schema, XdmNode document) throws SaxonApiException {
    Xslt30Transformer t = sheet(schema).load30();
    t.setErrorReporter(e -> {}); // it is thrown as well
    t.setGlobalContextItem(document);
    XdmDestination report = new XdmDestination();
    t.applyTemplates(document, report);
    return report.getXdmNode();
  }

  private XdmNode parse(byte[] document) throws SaxonApiException {
    return processor.newDocumentBuilder().build(new StreamSource(new ByteArrayInputStream(document)));
  }

  private void collect(XdmNode report, StringJoiner out) {
    for (XdmNode n : report.select(net.sf.saxon.s9api.streams.Steps.descendant()).asListOfNodes()) {
      if (n.getNodeKind() != XdmNodeKind.ELEMENT) {
        continue;
      }
      String name = n.getNodeName().getLocalName();
      if (name.equals("failed-assert") || name.equals("successful-report")) {
        out.add(text(n, ID) + "\t" + text(n, ROLE) + "\t" + text(n, FLAG));
      }
    }
  }

  private static String text(XdmNode n, QName attribute) {
    String v = n.getAttributeValue(attribute);
    return v == null ? "" : v;
  }

  private void serve() throws Exception {
    DataInputStream in = new DataInputStream(new BufferedInputStream(System.in));
    DataOutputStream out = new DataOutputStream(System.out);
    for (;;) {
      byte[] schemas;
      try {
        schemas = in.readNBytes(in.readInt());
      } catch (EOFException end) {
        return;
      }
      byte[] document = in.readNBytes(in.readInt());
      StringJoiner answer = new StringJoiner("\n");
      try {
        XdmNode d = parse(document);
        for (String s : new String(schemas, StandardCharsets.UTF_8).split("\n")) {
          collect(judge(s, d), answer);
        }
      } catch (SaxonApiException e) {
        answer = new StringJoiner("\n");
        answer.add("!" + String.valueOf(e.getMessage()).replace('\n', ' '));
      }
      byte[] bytes = answer.toString().getBytes(StandardCharsets.UTF_8);
      out.writeInt(bytes.length);
      out.write(bytes);
      out.flush();
    }
  }

  private void bench(int seconds, String[] schemas, List<byte[]> documents) throws Exception {
    List<XdmNode> parsed = new ArrayList<>();
    for (byte[] document : List.copyOf(documents)) {
      XdmNode d = parse(document);
      try {
        for (String s : schemas) {
          judge(s, d);
        }
        parsed.add(d);
      } catch (SaxonApiException published) { // some published tests end in a type error
        documents.remove(document);
      }
    }
    for (boolean parsing : new boolean[] {true, false}) {
      round(seconds, schemas, documents, parsing ? null : parsed); // warms up
      long begin = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
      long messages = round(seconds, schemas, documents, parsing ? null : parsed);
      long cpu = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() - begin;
      System.out.printf("%d %.6f%n", messages, cpu / 1e9);
    }
  }

  private long round(int seconds, String[] schemas, List<byte[]> documents, List<XdmNode> parsed)
      throws Exception {
    long messages = 0;
    for (long end = System.nanoTime() + seconds * 1_000_000_000L; System.nanoTime() < end; ) {
      for (int i = 0; i < documents.size(); i++, messages++) {
        XdmNode d = parsed == null ? parse(documents.get(i)) : parsed.get(i);
        for (String s : schemas) {
          judge(s, d);
        }
      }
    }
    return messages;
  }

  public static void main(String[] args) throws Exception {
    Judge judge = new Judge();
    if (args.length >= 4 && args[0].equals("bench")) {
      List<byte[]> documents = new ArrayList<>();
      for (int i = 3; i < args.length; i++) {
        documents.add(java.nio.file.Files.readAllBytes(new File(args[i]).toPath()));
      }
      judge.bench(Integer.parseInt(args[1]), args[2].split(","), documents);
      return;
    }
    judge.serve();
  }
}
