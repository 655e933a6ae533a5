<?xml version="1.0" encoding="UTF-8"?>
<!-- The mapping of rules.yaml in XSLT 1.0. Lists are elements with items. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
    xmlns:pop="urn:example:population:extract:3" xmlns:adr="urn:example:address:2" exclude-result-prefixes="pop adr">
  <xsl:output method="xml" encoding="UTF-8" indent="no"/>

  <xsl:template match="/">
    <record>
      <extractedOn><xsl:value-of select="normalize-space(pop:Extract/@asOf)"/></extractedOn>
      <people><xsl:apply-templates select="pop:Extract/pop:Person"/></people>
    </record>
  </xsl:template>

  <xsl:template match="pop:Person">
    <item>
      <number><xsl:value-of select="normalize-space(@number)"/></number>
      <state>
        <xsl:choose>
          <xsl:when test="@status = 'A'">alive</xsl:when>
          <xsl:when test="@status = 'D'">deceased</xsl:when>
          <xsl:when test="@status = 'M'">moved away</xsl:when>
          <xsl:otherwise><xsl:message terminate="yes">a code is not in list state</xsl:message></xsl:otherwise>
        </xsl:choose>
      </state>
      <familyName><xsl:value-of select="normalize-space(pop:Names/pop:Family)"/></familyName>
      <givenName>
        <xsl:for-each select="pop:Names/pop:Given">
          <xsl:if test="position() &gt; 1"><xsl:text> </xsl:text></xsl:if>
          <xsl:value-of select="normalize-space(.)"/>
        </xsl:for-each>
      </givenName>
      <xsl:if test="pop:Names/pop:Birth"><birthFamilyName><xsl:value-of select="normalize-space(pop:Names/pop:Birth)"/></birthFamilyName></xsl:if>
      <birth>
        <date><xsl:call-template name="date"><xsl:with-param name="text" select="pop:Born/@date"/></xsl:call-template></date>
        <xsl:if test="pop:Born/pop:Place"><place><xsl:value-of select="normalize-space(pop:Born/pop:Place)"/></place></xsl:if>
      </birth>
      <xsl:choose>
        <xsl:when test="pop:Sex = '1'"><sex>male</sex></xsl:when>
        <xsl:when test="pop:Sex = '2'"><sex>female</sex></xsl:when>
        <xsl:when test="pop:Sex = '9'"><sex>unknown</sex></xsl:when>
      </xsl:choose>
      <xsl:if test="pop:Citizenships/pop:Country">
        <nationalities>
          <xsl:for-each select="pop:Citizenships/pop:Country"><item><xsl:value-of select="normalize-space(.)"/></item></xsl:for-each>
        </nationalities>
      </xsl:if>
      <children><xsl:value-of select="count(pop:Events/pop:Event[@type = 'CHI'])"/></children>
      <xsl:if test="adr:Addresses/adr:Address">
        <addresses><xsl:apply-templates select="adr:Addresses/adr:Address"/></addresses>
      </xsl:if>
      <xsl:if test="pop:Events/pop:Event[@type != 'CHI']">
        <events><xsl:apply-templates select="pop:Events/pop:Event[@type != 'CHI']"/></events>
      </xsl:if>
    </item>
  </xsl:template>

  <xsl:template match="adr:Address">
    <item>
      <kind>
        <xsl:choose>
          <xsl:when test="@kind = 'P'">permanent</xsl:when>
          <xsl:when test="@kind = 'T'">temporary</xsl:when>
          <xsl:when test="@kind = 'M'">mail</xsl:when>
          <xsl:otherwise><xsl:message terminate="yes">a code is not in list dwelling</xsl:message></xsl:otherwise>
        </xsl:choose>
      </kind>
      <since><xsl:call-template name="date"><xsl:with-param name="text" select="@from"/></xsl:call-template></since>
      <xsl:if test="@until"><until><xsl:call-template name="date"><xsl:with-param name="text" select="@until"/></xsl:call-template></until></xsl:if>
      <line><xsl:value-of select="concat(normalize-space(adr:Street), ' ', normalize-space(adr:House))"/></line>
      <postCode><xsl:value-of select="normalize-space(adr:Post/@code)"/></postCode>
      <town><xsl:value-of select="normalize-space(adr:Post)"/></town>
      <country>
        <xsl:choose>
          <xsl:when test="adr:Country"><xsl:value-of select="normalize-space(adr:Country)"/></xsl:when>
          <xsl:otherwise>ES</xsl:otherwise>
        </xsl:choose>
      </country>
    </item>
  </xsl:template>

  <xsl:template match="pop:Event">
    <item>
      <kind>
        <xsl:choose>
          <xsl:when test="@type = 'MAR'">marriage</xsl:when>
          <xsl:when test="@type = 'DIV'">divorce</xsl:when>
          <xsl:when test="@type = 'NAM'">change of name</xsl:when>
          <xsl:when test="@type = 'MOV'">removal</xsl:when>
          <xsl:otherwise><xsl:message terminate="yes">a code is not in list event</xsl:message></xsl:otherwise>
        </xsl:choose>
      </kind>
      <date><xsl:call-template name="date"><xsl:with-param name="text" select="@date"/></xsl:call-template></date>
      <xsl:if test="pop:Place"><place><xsl:value-of select="normalize-space(pop:Place)"/></place></xsl:if>
      <xsl:if test="pop:Partner/@number"><partner><xsl:value-of select="normalize-space(pop:Partner/@number)"/></partner></xsl:if>
    </item>
  </xsl:template>

  <!-- YYYYMMDD, where zeros are not known -->
  <xsl:template name="date">
    <xsl:param name="text"/>
    <xsl:value-of select="substring($text, 1, 4)"/>
    <xsl:if test="substring($text, 5, 2) != '00'">
      <xsl:value-of select="concat('-', substring($text, 5, 2))"/>
      <xsl:if test="substring($text, 7, 2) != '00'"><xsl:value-of select="concat('-', substring($text, 7, 2))"/></xsl:if>
    </xsl:if>
  </xsl:template>
</xsl:stylesheet>
