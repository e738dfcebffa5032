<h1><?php echo $t('XMPP chat: settings')?></h1>
<?php $here = 'settings'; ?>
<?php include(erLhcoreClassDesign::designtpl('lhxmppchat/parts/menu.tpl.php'));?>
<?php include(erLhcoreClassDesign::designtpl('lhxmppchat/parts/messages.tpl.php'));?>
<?php if ($missing > 0) : ?>
<div role="alert" class="alert alert-warning p-2"><?php echo $t('Tables of the extension are missing or old.')?></div>
<?php endif; ?>
<form action="<?php echo $url('xmppchat/settings')?>" method="post" autocomplete="off" ng-non-bindable>
<input type="hidden" name="csfr_token" value="<?php echo $token()?>">
<div class="form-check mb-2">
<label><input type="checkbox" name="enabled" value="1" <?php echo $enabled ? 'checked="checked"' : ''?>>&nbsp;<?php echo $t('Switched on')?></label>
</div>
<?php if ($hosted) : ?>
<p class="text-muted"><?php echo $t('Address, tenant, key and secret are kept by the manager of this hosting. Tenant: {tenant}', ['tenant' => $tenant])?></p>
<?php else : ?>
<div class="form-group mb-2">
<label for="xc-service"><?php echo $t('Address of the service')?></label>
<input class="form-control form-control-sm" id="xc-service" type="text" name="serviceUrl" maxlength="250" placeholder="https://xmpp-chat.example.org" value="<?php echo $e($serviceUrl)?>">
</div>
<div class="form-group mb-2">
<label for="xc-tenant"><?php echo $t('Tenant')?></label>
<input class="form-control form-control-sm" id="xc-tenant" type="text" name="tenant" maxlength="31" value="<?php echo $e($tenant)?>">
</div>
<div class="form-group mb-2">
<label for="xc-key"><?php echo $t('API key')?>&nbsp;<small class="text-muted">(<?php echo $e($apiKeyHint)?>)</small></label>
<input class="form-control form-control-sm" id="xc-key" type="password" name="apiKey" maxlength="256" autocomplete="new-password" placeholder="<?php echo $t('empty: it stays as it is')?>">
</div>
<div class="form-group mb-2">
<label for="xc-secret"><?php echo $t('Callback secret')?>&nbsp;<small class="text-muted">(<?php echo $e($callbackSecretHint)?>)</small></label>
<input class="form-control form-control-sm" id="xc-secret" type="password" name="callbackSecret" maxlength="256" autocomplete="new-password" placeholder="<?php echo $t('empty: it stays as it is')?>">
</div>
<div class="form-group mb-2">
<label for="xc-address"><?php echo $t('Address of this LHC')?>&nbsp;<small class="text-muted">(<?php echo $t('for callbacks and for links to files')?>)</small></label>
<input class="form-control form-control-sm" id="xc-address" type="text" name="lhcAddress" maxlength="250" value="<?php echo $e($lhcAddress)?>">
</div>
<?php endif; ?>
<div class="form-check mb-2">
<label><input type="checkbox" name="shareTyping" value="1" <?php echo $shareTyping ? 'checked="checked"' : ''?>>&nbsp;<?php echo $t('Operators see that a visitor is typing')?></label>
</div>
<div class="form-check mb-2">
<label><input type="checkbox" name="sharePreview" value="1" <?php echo $sharePreview ? 'checked="checked"' : ''?>>&nbsp;<?php echo $t('They also see what it is, before it is sent')?>&nbsp;<small class="text-muted">(<?php echo $t('if the service has typingPreview on; visitors have to be told')?>)</small></label>
</div>
<div class="btn-group" role="group">
<button type="submit" class="btn btn-primary btn-sm" name="action" value="save"><?php echo $t('Save')?></button>
<?php if (!$hosted) : ?>
<button type="submit" class="btn btn-secondary btn-sm" name="action" value="secret"><?php echo $t('Make a new callback secret')?></button>
<?php endif; ?>
<button type="submit" class="btn btn-secondary btn-sm" name="action" value="tables"><?php echo $t('Install or update the tables')?></button>
</div>
</form>
<?php if (!$hosted) : ?>
<h4 class="mt-4"><?php echo $t('What the service has to know')?></h4>
<p><?php echo $t('Callback address of this LHC:')?>&nbsp;<code ng-non-bindable id="xc-callback"><?php echo $e($callbackUrl)?></code></p>
<p><?php echo $t('Run one of these where the service is, with the virtual host of ejabberd for XMPP-HOST. A new tenant gets an API key, which is printed once: type it in above. For a tenant that exists, add its other settings, because the request is the whole wish.')?></p>
<?php if ($secret === '') : ?>
<p class="text-muted"><?php echo $t('The secret is shown only right after it was made. If you do not have it any more, make a new one.')?></p>
<?php endif; ?>
<pre class="border p-2 bg-light" style="white-space:pre-wrap;word-break:break-all" ng-non-bindable id="xc-command"><?php echo $e($command)?></pre>
<pre class="border p-2 bg-light" style="white-space:pre-wrap;word-break:break-all" ng-non-bindable><?php echo $e($curl)?></pre>
<?php endif; ?>
