<h1><?php echo $t('XMPP chat: automated hosting')?></h1>
<?php $here = 'hosting'; ?>
<?php include(erLhcoreClassDesign::designtpl('lhxmppchat/parts/menu.tpl.php'));?>
<?php include(erLhcoreClassDesign::designtpl('lhxmppchat/parts/messages.tpl.php'));?>
<?php if ($form !== []) : ?>
<p><?php echo $t('Each instance gets a tenant of its own at the service, and the tenant goes with its instance. The admin token stays here: no instance has it.')?></p>
<form action="<?php echo $url('xmppchat/hosting')?>" method="post" autocomplete="off" ng-non-bindable>
<input type="hidden" name="csfr_token" value="<?php echo $token()?>">
<div class="form-group mb-2"><label for="xc-service"><?php echo $t('Address of the service')?></label>
<input class="form-control form-control-sm" id="xc-service" type="text" name="serviceUrl" maxlength="250" value="<?php echo $e($form['serviceUrl'])?>"></div>
<div class="form-group mb-2"><label for="xc-token"><?php echo $t('Admin token')?>&nbsp;<small class="text-muted">(<?php echo $form['hasToken'] ? $t('set') : $t('not set')?>)</small></label>
<input class="form-control form-control-sm" id="xc-token" type="password" name="adminToken" maxlength="1024" autocomplete="new-password" placeholder="<?php echo $t('empty: it stays as it is')?>"></div>
<div class="form-group mb-2"><label for="xc-host"><?php echo $t('Virtual host in ejabberd')?></label>
<input class="form-control form-control-sm" id="xc-host" type="text" name="xmppHost" maxlength="253" placeholder="chat.example.org" value="<?php echo $e($form['xmppHost'])?>"></div>
<div class="form-group mb-2"><label for="xc-prefix"><?php echo $t('Beginning of tenants')?></label>
<input class="form-control form-control-sm" id="xc-prefix" type="text" name="tenantPrefix" maxlength="20" value="<?php echo $e($form['tenantPrefix'])?>"></div>
<div class="form-group mb-2"><label for="xc-more"><?php echo $t('Further settings of all tenants')?></label>
<textarea class="form-control form-control-sm" id="xc-more" name="tenantSettings" rows="3" placeholder="{&quot;hardTimeout&quot;:600}"><?php echo $e($form['tenantSettings'])?></textarea></div>
<div class="form-check mb-2"><label><input type="checkbox" name="purge" value="1" <?php echo $form['purge'] ? 'checked="checked"' : ''?>>&nbsp;<?php echo $t('When an instance goes, delete the log and the data keys of its tenant too. Nobody can undo that.')?></label></div>
<div class="btn-group" role="group">
<button type="submit" class="btn btn-primary btn-sm" name="action" value="save"><?php echo $t('Save')?></button>
<button type="submit" class="btn btn-secondary btn-sm" name="action" value="now"><?php echo $t('Tell the service now')?></button>
<button type="submit" class="btn btn-danger btn-sm" name="action" value="agreed" data-question="<?php echo $t('Remove the tenants of all instances that are gone?')?>" onclick="return confirm(this.dataset.question)"><?php echo $t('Remove them')?></button>
</div>
</form>
<table class="table table-sm mt-3" id="xc-instances" ng-non-bindable>
<thead><tr><th><?php echo $t('Instance')?></th><th><?php echo $t('Tenant')?></th><th><?php echo $t('Name in XMPP')?></th><th><?php echo $t('Callback address')?></th><th><?php echo $t('State')?></th><th><?php echo $t('Reason')?></th></tr></thead>
<tbody>
<?php foreach ($rows as $row) : ?>
<tr><td><?php echo (int)$row['instance_id']?></td><td><?php echo $e($row['tenant'])?></td><td><?php echo $e($row['name'])?></td><td><?php echo $e($row['address'])?></td><td><?php echo $row['state'] === 'made' ? $t('in order') : ($row['state'] === 'failed' ? $t('refused') : $t('pending'))?></td><td><?php echo $e($row['error'])?></td></tr>
<?php endforeach; ?>
</tbody>
</table>
<?php endif; ?>
