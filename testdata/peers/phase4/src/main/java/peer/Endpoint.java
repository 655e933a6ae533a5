package peer;

import com.helger.http.EHttpMethod;
import com.helger.phase4.incoming.AS4RequestHandler;
import com.helger.phase4.servlet.AS4UnifiedResponse;
import com.helger.phase4.servlet.AS4XServletHandler;
import com.helger.phase4.servlet.IAS4ServletRequestHandlerCustomizer;
import com.helger.web.scope.IRequestWebScopeWithoutResponse;
import com.helger.xservlet.AbstractXServlet;

/** /as4/STATION: the URL of an access point. */
final class Endpoint extends AbstractXServlet {
  Endpoint(Stations stations) {
    settings().setMultipartEnabled(false); // phase4 reads the parts itself
    AS4XServletHandler handler = new AS4XServletHandler();
    handler.setRequestHandlerCustomizer(new IAS4ServletRequestHandlerCustomizer() {
      @Override
      public void customizeBeforeHandling(IRequestWebScopeWithoutResponse scope, AS4UnifiedResponse res, AS4RequestHandler h) {
        stations.get(scope.getPathInfo().substring(1)).equip(h);
      }

      @Override
      public void customizeAfterHandling(IRequestWebScopeWithoutResponse scope, AS4UnifiedResponse res, AS4RequestHandler h) {
        // nothing is kept
      }
    });
    handlerRegistry().registerHandler(EHttpMethod.POST, handler);
  }
}
