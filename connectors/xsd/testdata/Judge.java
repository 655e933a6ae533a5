import java.io.*;
import java.nio.file.*;
import java.util.*;
import javax.xml.XMLConstants;
import javax.xml.transform.stream.StreamSource;
import javax.xml.validation.*;
import org.w3c.dom.ls.*;
import org.xml.sax.*;

/**
 * Validates with the engine of the JDK (Xerces), as a second opinion in tests.
 * Input: lines "catalog KEY FILE", "schema FILE", "doc FILE". Output: one line for each
 * schema and document: "ok" or "no MESSAGE".
 */
class Judge {
    static final Map<String, String> catalog = new HashMap<>();

    public static void main(String[] args) throws Exception {
        SchemaFactory factory = SchemaFactory.newInstance(XMLConstants.W3C_XML_SCHEMA_NS_URI);
        factory.setFeature("http://apache.org/xml/features/honour-all-schemaLocations", true);
        factory.setResourceResolver((type, space, publicId, systemId, base) -> {
            String file = catalog.get(systemId == null ? "" : systemId);
            if (file == null && systemId != null && base != null && !systemId.contains(":")) {
                File near = new File(java.net.URI.create(base).resolve(systemId));
                if (near.exists()) file = near.getPath();
            }
            if (file == null) file = catalog.get(space == null ? "" : space);
            if (file == null) return null;
            try {
                return new Source(file, publicId);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
        StringBuilder out = new StringBuilder();
        Validator validator = null;
        for (String line; (line = in.readLine()) != null; ) {
            String[] part = line.split(" ", 2);
            switch (part[0]) {
            case "catalog":
                String[] entry = part[1].split(" ", 2);
                catalog.put(entry[0], entry[1]);
                break;
            case "forget":
                catalog.clear();
                break;
            case "schema":
                validator = null;
                try {
                    validator = factory.newSchema(new StreamSource(new File(part[1]))).newValidator();
                    out.append("ok\n");
                } catch (SAXException e) {
                    out.append("no " + oneLine(e) + "\n");
                }
                break;
            case "doc":
                if (validator == null) {
                    out.append("no schema\n");
                    break;
                }
                try {
                    validator.validate(new StreamSource(new File(part[1])));
                    out.append("ok\n");
                } catch (SAXException e) {
                    out.append("no " + oneLine(e) + "\n");
                }
                break;
            }
        }
        System.out.print(out);
    }

    static String oneLine(Exception e) {
        return String.valueOf(e.getMessage()).replaceAll("\\s+", " ");
    }

    static class Source implements LSInput {
        final String file, publicId;
        final InputStream bytes;

        Source(String file, String publicId) throws IOException {
            this.file = file;
            this.publicId = publicId;
            bytes = new ByteArrayInputStream(Files.readAllBytes(Paths.get(file)));
        }

        public Reader getCharacterStream() { return null; }
        public void setCharacterStream(Reader r) { }
        public InputStream getByteStream() { return bytes; }
        public void setByteStream(InputStream s) { }
        public String getStringData() { return null; }
        public void setStringData(String s) { }
        public String getSystemId() { return new File(file).toURI().toString(); }
        public void setSystemId(String s) { }
        public String getPublicId() { return publicId; }
        public void setPublicId(String s) { }
        public String getBaseURI() { return null; }
        public void setBaseURI(String s) { }
        public String getEncoding() { return null; }
        public void setEncoding(String s) { }
        public boolean getCertifiedText() { return false; }
        public void setCertifiedText(boolean b) { }
    }
}
