package peer;

import com.helger.base.state.ETriState;
import com.helger.phase4.CAS4;
import com.helger.phase4.crypto.ECryptoAlgorithmCrypt;
import com.helger.phase4.crypto.ECryptoAlgorithmSign;
import com.helger.phase4.crypto.ECryptoAlgorithmSignDigest;
import com.helger.phase4.model.EMEP;
import com.helger.phase4.model.EMEPBinding;
import com.helger.phase4.model.pmode.IPModeIDProvider;
import com.helger.phase4.model.pmode.PMode;
import com.helger.phase4.model.pmode.PModeParty;
import com.helger.phase4.model.pmode.PModeReceptionAwareness;
import com.helger.phase4.model.pmode.leg.EPModeSendReceiptReplyPattern;
import com.helger.phase4.model.pmode.leg.PModeLeg;
import com.helger.phase4.model.pmode.leg.PModeLegBusinessInformation;
import com.helger.phase4.model.pmode.leg.PModeLegErrorHandling;
import com.helger.phase4.model.pmode.leg.PModeLegProtocol;
import com.helger.phase4.model.pmode.leg.PModeLegSecurity;
import com.helger.phase4.profile.AS4Profile;
import com.helger.phase4.profile.IAS4ProfileRegistrar;
import com.helger.phase4.profile.IAS4ProfileRegistrarSPI;
import com.helger.phase4.wss.EWSSVersion;

/**
 * The P-Modes of eDelivery AS4 1.15 and 2.0, as the profile texts have them: the
 * library brings none with it.
 */
public final class Profiles implements IAS4ProfileRegistrarSPI {
  static final String RSA = "edelivery-1.15";
  static final String EDDSA = "edelivery-2.0";
  static final String ECDSA = "edelivery-2.0-ecdsa";

  @Override
  public void registerAS4Profile(IAS4ProfileRegistrar registrar) {
    for (String id : new String[] {RSA, EDDSA, ECDSA}) {
      registrar.registerProfile(new AS4Profile(id, id, () -> null, (i, r, a) -> pmode(id, true, null, null, i, r, a),
          IPModeIDProvider.DEFAULT_DYNAMIC, false, false));
    }
  }

  static ECryptoAlgorithmSign signature(String profile) {
    switch (profile) {
      case RSA:
        return ECryptoAlgorithmSign.RSA_SHA_256;
      case EDDSA:
        return ECryptoAlgorithmSign.EDDSA_ED25519;
      case ECDSA:
        return ECryptoAlgorithmSign.ECDSA_SHA_256;
      default:
        throw new IllegalArgumentException("unknown profile " + profile);
    }
  }

  static PMode pmode(String profile, boolean encrypted, String service, String action, String initiator, String responder,
      String address) {
    PModeLegSecurity security = new PModeLegSecurity();
    security.setWSSVersion(EWSSVersion.WSS_111);
    security.setX509SignatureAlgorithm(signature(profile));
    security.setX509SignatureHashFunction(ECryptoAlgorithmSignDigest.DIGEST_SHA_256);
    if (encrypted) {
      security.setX509EncryptionAlgorithm(ECryptoAlgorithmCrypt.AES_128_GCM);
      security.setX509EncryptionMinimumStrength(128);
    }
    security.setPModeAuthorize(false);
    security.setSendReceipt(true);
    security.setSendReceiptNonRepudiation(true);
    security.setSendReceiptReplyPattern(EPModeSendReceiptReplyPattern.RESPONSE);
    PModeLegErrorHandling errors =
        new PModeLegErrorHandling(null, null, ETriState.TRUE, ETriState.TRUE, ETriState.TRUE, ETriState.TRUE);
    PModeLeg leg = new PModeLeg(PModeLegProtocol.createForDefaultSoapVersion(address),
        PModeLegBusinessInformation.create(service, action, null, CAS4.DEFAULT_MPC_ID), errors, null, security);
    // An answer belongs to the second leg of an exchange.
    boolean answers = action != null && action.endsWith("Response");
    PModeParty from = PModeParty.createSimple(initiator, CAS4.DEFAULT_INITIATOR_URL);
    PModeParty to = PModeParty.createSimple(responder, CAS4.DEFAULT_RESPONDER_URL);
    return new PMode(profile + "-" + initiator + "-" + responder, from, to, "urn:as4:agreement",
        answers ? EMEP.TWO_WAY : EMEP.ONE_WAY, answers ? EMEPBinding.PUSH_PUSH : EMEPBinding.PUSH, leg, answers ? leg : null, null,
        new PModeReceptionAwareness(ETriState.TRUE, ETriState.FALSE, 0, 1000, ETriState.TRUE));
  }
}
