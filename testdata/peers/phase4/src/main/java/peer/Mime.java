package peer;

import jakarta.mail.BodyPart;
import jakarta.mail.internet.MimeMultipart;
import jakarta.mail.util.ByteArrayDataSource;

/** Reads a SOAP message with attachments. */
final class Mime {
  private Mime() {}

  interface Taker {
    void take(String id, String type, byte[] content);
  }

  /** Gives the parts to the taker and returns the envelope: the first part, where no start names another. */
  static byte[] read(String contentType, byte[] body, Taker taker) throws Exception {
    if (!contentType.startsWith("multipart/")) {
      return body;
    }
    MimeMultipart parts = new MimeMultipart(new ByteArrayDataSource(body, contentType));
    byte[] envelope = parts.getBodyPart(0).getInputStream().readAllBytes();
    for (int i = 1; i < parts.getCount(); i++) {
      BodyPart p = parts.getBodyPart(i);
      String id = p.getHeader("Content-ID")[0];
      taker.take(id.substring(1, id.length() - 1), p.getContentType(), p.getInputStream().readAllBytes());
    }
    return envelope;
  }
}
